//! The user's own PascalCoin daemon, asked over its JSON-RPC: a few methods, each with its own types. Never passes on a
//! method, a parameter or an answer as it came, and never asks for a coin operation.
//!
//! A daemon takes one request on a connection, wants a Content-Length, and answers with a status line without a reason.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use nightjar_core::chain::ListingKind;
use nightjar_envelope::delegation::Claim;
use nightjar_pasc::key::PublicKey;
use nightjar_pasc::signature::Signature;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// A daemon answers in milliseconds; while it takes in a block it may let one wait for some seconds.
pub const ANSWER_MS_MAX: u64 = 10_000;
/// The longest answer. The state of a daemon with hundreds of known nodes takes a tenth of it.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// The longest head of an answer; a daemon's has 200 bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// What a daemon says went wrong is shown up to here.
const MESSAGE_CHARS_MAX: usize = 200;
/// Nobody's password is longer.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// The longest name of an account.
pub const NAME_BYTES_MAX: usize = 64;

/// The methods that are asked.
const STATUS: &str = "nodestatus";
const ACCOUNT: &str = "getaccount";
const FIND: &str = "findaccounts";
const SIGN: &str = "signmessage";
const UNLOCK: &str = "unlock";
const LOCK: &str = "lock";

/// Errors of a daemon that mean something of their own.
const CODE_ACCOUNT: i64 = 1002;
const CODE_NO_KEY: i64 = 1005;
const CODE_NAME: i64 = 1006;
const CODE_LOCKED: i64 = 1015;

/// Where the daemon is. Cheap to clone; holds no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    address: Arc<str>,
    patience: Duration,
}

/// How the daemon is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonStatus {
    /// Its version.
    pub version: String,
    /// Whether it follows the chain; otherwise it says why not.
    pub ready: Result<(), String>,
    /// Whether its wallet is locked.
    pub locked: bool,
    /// How many blocks it has: the last one has this number less one.
    pub blocks: u32,
}

/// An account as the daemon tells it, operations that wait in its pool already applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonAccount {
    /// Its number.
    pub number: u32,
    /// Its owner's key.
    pub key: PublicKey,
    /// For what it is offered, if it is.
    pub listed: Option<ListingKind>,
    /// Its name; may be empty.
    pub name: String,
    /// The block of its last change.
    pub updated: u32,
}

/// Why the daemon did not tell, or do, what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DaemonError {
    /// Nobody takes the connection.
    #[error(
        "the PascalCoin daemon at {address} is not reached ({error}): start it, or set `daemon` to where its JSON-RPC listens"
    )]
    Unreachable {
        /// Where it should be.
        address: Arc<str>,
        /// What the system says.
        error: String,
    },
    /// It takes too long.
    #[error("the PascalCoin daemon at {address} did not answer {method} within {} s: look what it is doing, and try again", ANSWER_MS_MAX / 1000)]
    Slow {
        /// Where it is.
        address: Arc<str>,
        /// What it was asked.
        method: &'static str,
    },
    /// It hangs up, or speaks no HTTP.
    #[error(
        "the PascalCoin daemon at {address} did not answer {method} over HTTP ({error}): see that `daemon` is its JSON-RPC port (4003 as a rule) and that its whitelist allows this machine"
    )]
    Http {
        /// Where it is.
        address: Arc<str>,
        /// What it was asked.
        method: &'static str,
        /// What went wrong.
        error: String,
    },
    /// More than any answer has.
    #[error(
        "the PascalCoin daemon at {address} answers {method} with more than {ANSWER_BYTES_MAX} bytes: see that `daemon` is the JSON-RPC of a PascalCoin daemon"
    )]
    TooLong {
        /// Where it is.
        address: Arc<str>,
        /// What it was asked.
        method: &'static str,
    },
    /// The answer is no JSON.
    #[error(
        "the PascalCoin daemon at {address} answers {method} with something that is no JSON: see that `daemon` is its JSON-RPC port"
    )]
    NoJson {
        /// Where it is.
        address: Arc<str>,
        /// What it was asked.
        method: &'static str,
    },
    /// The answer lacks something, or has something else in its place.
    #[error(
        "the PascalCoin daemon at {address} answers {method} without a usable `{field}`: it wants {wants}; is it a daemon of another version?"
    )]
    Field {
        /// Where it is.
        address: Arc<str>,
        /// What it was asked.
        method: &'static str,
        /// Which member of the answer.
        field: &'static str,
        /// What it should be.
        wants: &'static str,
    },
    /// Its wallet is locked.
    #[error(
        "the wallet of the PascalCoin daemon at {address} is locked: unlock it there, or give its password for this one call (`--unlock`, `wallet_pwd`)"
    )]
    Locked {
        /// Where it is.
        address: Arc<str>,
    },
    /// Its wallet does not have the key.
    #[error(
        "the wallet of the PascalCoin daemon at {address} does not hold the key of this account: sign where the account's wallet is, or with its key file"
    )]
    NoKey {
        /// Where it is.
        address: Arc<str>,
    },
    /// Nobody's password is so long.
    #[error("a password of {0} bytes is none: the most is {PASSWORD_BYTES_MAX}")]
    PasswordTooLong(usize),
    /// It says no, and why.
    #[error("the PascalCoin daemon at {address} refuses {method}: {message} (error {code})")]
    Refused {
        /// Where it is.
        address: Arc<str>,
        /// What it was asked.
        method: &'static str,
        /// Its error's number.
        code: i64,
        /// Its words, cut.
        message: String,
    },
}

impl Daemon {
    /// The daemon whose JSON-RPC listens at `host:port`.
    pub fn at(address: &str) -> Self {
        Self { address: address.into(), patience: Duration::from_millis(ANSWER_MS_MAX) }
    }

    /// Waits for an answer only so long: for tests of daemons that do not answer.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// `host:port`.
    pub fn address(&self) -> &Arc<str> {
        &self.address
    }

    /// How it is.
    pub async fn status(&self) -> Result<DaemonStatus, DaemonError> {
        self.read_status(&self.ask(STATUS, &json!({})).await?)
    }

    /// An account; `None` if the chain has none of this number.
    pub async fn account(&self, number: u32) -> Result<Option<DaemonAccount>, DaemonError> {
        self.read_account(number, &self.ask(ACCOUNT, &json!({ "account": number })).await?)
    }

    /// The account of exactly this name; `None` if no account has it, or none can.
    pub async fn find(&self, name: &str) -> Result<Option<DaemonAccount>, DaemonError> {
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
            return Ok(None);
        }
        self.read_found(name, &self.ask(FIND, &json!({ "name": name, "max": 2 })).await?)
    }

    /// Has the wallet's key sign what a claim says. There is no other way to have anything signed: a wallet signs whatever bytes it
    /// is given, its coins among them.
    pub(crate) async fn sign(&self, claim: &Claim) -> Result<Signature, DaemonError> {
        let (digest, key) = (hex(&claim.digest()), hex(&claim.key.to_raw()));
        let answer = self.ask(SIGN, &json!({ "digest": digest, "enc_pubkey": key })).await?;
        let result = match self.result(SIGN, &answer) {
            Err(DaemonError::Refused { code: CODE_NO_KEY, address, .. }) => return Err(DaemonError::NoKey { address }),
            result => result?,
        };
        let answer = self.object(SIGN, &result)?;
        if !answer.text("digest")?.eq_ignore_ascii_case(&digest) {
            return Err(answer.misfit("digest", "the digest that was to be signed"));
        }
        if !answer.text("enc_pubkey")?.eq_ignore_ascii_case(&key) {
            return Err(answer.misfit("enc_pubkey", "the key that was to sign"));
        }
        let signature = Signature::parse_raw(claim.key.curve(), &answer.bytes("signature")?);
        signature.map_err(|_| answer.misfit("signature", "the two numbers of a signature"))
    }

    /// Opens the wallet with its password; `false` if it stays locked. An open wallet says yes to any password.
    pub(crate) async fn unlock(&self, password: &str) -> Result<bool, DaemonError> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(DaemonError::PasswordTooLong(password.len()));
        }
        // Room for all of it at once, so that no part stays behind where the buffer was before it grew.
        let mut request = Zeroizing::new(Vec::with_capacity(6 * PASSWORD_BYTES_MAX + 128));
        request.extend(br#"{"jsonrpc":"2.0","id":1,"method":"unlock","params":{"pwd":"#);
        serde_json::to_writer(&mut *request, password).expect("a text is JSON, and a buffer takes it");
        request.extend(b"}}");
        let answer = self.exchange(UNLOCK, Bytes::from_owner(request)).await?;
        match self.truth(UNLOCK, &answer) {
            // Its words may repeat the password.
            Err(DaemonError::Refused { address, method, code, .. }) => {
                let message = "its wallet was not unlocked".to_owned();
                Err(DaemonError::Refused { address, method, code, message })
            }
            result => result,
        }
    }

    /// Locks the wallet; `false` if it has no password.
    pub(crate) async fn lock(&self) -> Result<bool, DaemonError> {
        let answer = self.ask(LOCK, &json!({})).await?;
        self.truth(LOCK, &answer)
    }

    fn truth(&self, method: &'static str, answer: &[u8]) -> Result<bool, DaemonError> {
        self.result(method, answer)?.as_bool().ok_or_else(|| DaemonError::Field {
            address: self.address.clone(),
            method,
            field: "result",
            wants: TRUTH,
        })
    }

    /// What an answer to `nodestatus` says.
    pub fn read_status(&self, answer: &[u8]) -> Result<DaemonStatus, DaemonError> {
        let result = self.result(STATUS, answer)?;
        let answer = self.object(STATUS, &result)?;
        let ready = if answer.truth("ready")? { Ok(()) } else { Err(clean(answer.text("ready_s")?)) };
        Ok(DaemonStatus {
            version: clean(answer.text("version")?),
            ready,
            locked: answer.truth("locked")?,
            blocks: answer.number("blocks")?,
        })
    }

    /// What an answer to `getaccount` says.
    pub fn read_account(&self, number: u32, answer: &[u8]) -> Result<Option<DaemonAccount>, DaemonError> {
        let result = match self.result(ACCOUNT, answer) {
            Err(DaemonError::Refused { code: CODE_ACCOUNT, .. }) => return Ok(None),
            result => result?,
        };
        let answer = self.object(ACCOUNT, &result)?;
        let account = answer.account()?;
        if account.number != number {
            return Err(answer.misfit("account", "the number that was asked for"));
        }
        Ok(Some(account))
    }

    /// What an answer to `findaccounts` says.
    pub fn read_found(&self, name: &str, answer: &[u8]) -> Result<Option<DaemonAccount>, DaemonError> {
        let result = match self.result(FIND, answer) {
            Err(DaemonError::Refused { code: CODE_NAME, .. }) => return Ok(None),
            result => result?,
        };
        let misfit = |wants| DaemonError::Field { address: self.address.clone(), method: FIND, field: "result", wants };
        match result.as_array().map(Vec::as_slice).ok_or_else(|| misfit("a list of accounts"))? {
            [] => Ok(None),
            // It searches for the name in lower case.
            [one] => Ok(Some(self.object(FIND, one)?.account()?).filter(|account| account.name == name)),
            [_, _, ..] => Err(misfit("one account at the most, since names are unique")),
        }
    }

    fn object<'a>(&'a self, method: &'static str, value: &'a Value) -> Result<Answer<'a>, DaemonError> {
        let members = value.as_object().ok_or_else(|| DaemonError::Field {
            address: self.address.clone(),
            method,
            field: "result",
            wants: "an object",
        })?;
        Ok(Answer { address: &self.address, method, members })
    }

    /// The body of the answer to one request.
    async fn ask(&self, method: &'static str, params: &Value) -> Result<Bytes, DaemonError> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.exchange(method, request.to_string().into()).await
    }

    async fn exchange(&self, method: &'static str, body: Bytes) -> Result<Bytes, DaemonError> {
        let answer = timeout(self.patience, self.post(method, body)).await;
        answer.map_err(|_| DaemonError::Slow { address: self.address.clone(), method })?
    }

    /// What stands under `result` in an answer.
    fn result(&self, method: &'static str, answer: &[u8]) -> Result<Value, DaemonError> {
        let address = || self.address.clone();
        let Ok(Value::Object(mut answer)) = serde_json::from_slice(answer) else {
            return Err(DaemonError::NoJson { address: address(), method });
        };
        if let Some(error) = answer.get("error") {
            let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
            if code == CODE_LOCKED {
                return Err(DaemonError::Locked { address: address() });
            }
            let message = clean(error.get("message").and_then(Value::as_str).unwrap_or("without a reason"));
            return Err(DaemonError::Refused { address: address(), method, code, message });
        }
        let wrong = |field, wants| DaemonError::Field { address: address(), method, field, wants };
        if answer.get("id") != Some(&Value::from(1)) {
            return Err(wrong("id", "the number of the question"));
        }
        answer.remove("result").ok_or_else(|| wrong("result", "a value"))
    }

    async fn post(&self, method: &'static str, body: Bytes) -> Result<Bytes, DaemonError> {
        let stream = TcpStream::connect(&*self.address)
            .await
            .map_err(|error| DaemonError::Unreachable { address: self.address.clone(), error: error.to_string() })?;
        let failed = |error: &dyn fmt::Display| DaemonError::Http {
            address: self.address.clone(),
            method,
            error: clean(&error.to_string()),
        };
        let (mut requests, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        // Ends with this call, however that ends.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let request = Request::builder()
            .method(Method::POST)
            .uri("/")
            .header(HOST, &*self.address)
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| failed(&error))?;
        let answer = requests.send_request(request).await.map_err(|error| failed(&error))?;
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                DaemonError::TooLong { address: self.address.clone(), method }
            } else {
                failed(&error)
            }
        })
    }
}

/// The members of an answer.
struct Answer<'a> {
    address: &'a Arc<str>,
    method: &'static str,
    members: &'a Map<String, Value>,
}

const TRUTH: &str = "true or false";

impl Answer<'_> {
    fn misfit(&self, field: &'static str, wants: &'static str) -> DaemonError {
        DaemonError::Field { address: self.address.clone(), method: self.method, field, wants }
    }

    fn truth(&self, field: &'static str) -> Result<bool, DaemonError> {
        self.members.get(field).and_then(Value::as_bool).ok_or_else(|| self.misfit(field, TRUTH))
    }

    fn number(&self, field: &'static str) -> Result<u32, DaemonError> {
        let number = self.members.get(field).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.misfit(field, "a whole number from 0 to 4294967295"))
    }

    fn text(&self, field: &'static str) -> Result<&str, DaemonError> {
        self.members.get(field).and_then(Value::as_str).ok_or_else(|| self.misfit(field, "a text"))
    }

    fn bytes(&self, field: &'static str) -> Result<Vec<u8>, DaemonError> {
        bytes_of_hex(self.text(field)?).ok_or_else(|| self.misfit(field, "bytes in hex"))
    }

    fn account(&self) -> Result<DaemonAccount, DaemonError> {
        let raw = self.bytes("enc_pubkey")?;
        let key = PublicKey::parse_raw(&raw).ok().filter(|(_, used)| *used == raw.len());
        let (key, _) = key.ok_or_else(|| self.misfit("enc_pubkey", "a public key of one of the four curves"))?;
        let listed = match self.text("state")? {
            "normal" => None,
            "listed" => Some(ListingKind::Sale),
            "account_swap" => Some(ListingKind::AccountSwap),
            "coin_swap" => Some(ListingKind::CoinSwap),
            _ => return Err(self.misfit("state", "normal, listed, account_swap or coin_swap")),
        };
        let name = self.text("name")?;
        if name.len() > NAME_BYTES_MAX || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(self.misfit("name", "at most 64 characters of ASCII"));
        }
        let (number, updated) = (self.number("account")?, self.number("updated_b")?);
        Ok(DaemonAccount { number, key, listed, name: name.to_owned(), updated })
    }
}

/// Words of a stranger, in one line that is not longer than it is worth.
fn clean(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(MESSAGE_CHARS_MAX).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

pub(crate) fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() { bytes.collect() } else { None }
}
