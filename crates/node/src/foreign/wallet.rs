//! The JSON-RPC of a PascalCoin daemon, with a wallet and a few accounts of its own: it answers byte for byte in the
//! manner of answers that were captured from one, only without a Date. In tests it can also answer as no daemon should.
//!
//! Never looks at a chain: blocks come when it is told so.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nightjar_pasc::account::AccountNumber;
use nightjar_pasc::key::{PrivateKey, PublicKey};
use nightjar_pasc::{aes_form, ecies, signature};
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::chain::daemon::bytes_of_hex;
use crate::engine::random;

/// The longest request it reads.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Names of methods that are kept for whoever reads them.
const KEPT_MAX: usize = 1000;
/// Its own words for an error.
const LOCKED: (i64, &str) = (1015, "Wallet is password protected");
const LOCKED_UNLOCK_FIRST: (i64, &str) = (1015, "Wallet is password protected. Unlock first");
const NO_DATA: &str = r#"{"error":{"code":100,"message":"No data"}}"#;

/// An account of its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletAccount {
    /// Its owner's key, raw.
    pub key: PublicKey,
    /// In 1/10000 coin.
    pub balance: u64,
    /// Operations it has signed.
    pub n_operation: u32,
    /// Block of the last change by itself.
    pub updated_active: u32,
    /// Block of the last change by others.
    pub updated_passive: u32,
    /// Its name.
    pub name: String,
    /// Its type.
    pub account_type: u16,
    /// Its data.
    pub data: Vec<u8>,
    /// Its seal.
    pub seal: [u8; 20],
}

impl WalletAccount {
    /// An account that was never used.
    pub const fn new(key: PublicKey) -> Self {
        Self {
            key,
            balance: 1_000_000,
            n_operation: 0,
            updated_active: 0,
            updated_passive: 0,
            name: String::new(),
            account_type: 0,
            data: Vec::new(),
            seal: [0; 20],
        }
    }
}

/// How it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As a daemon.
    Good,
    /// It reads the request and says nothing.
    Silent,
    /// It hangs up without a byte.
    Closes,
    /// It hangs up in the midst of an answer.
    Breaks,
    /// It sends zeros without end behind a right head.
    Endless,
    /// It sends a head without end.
    EndlessHead,
    /// This body.
    Says(String),
}

/// The daemon. It lives until it is dropped.
#[derive(Debug)]
pub struct WalletDaemon {
    shared: Arc<Mutex<State>>,
    address: SocketAddr,
    /// Dropped with it: its connections end.
    _alive: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    blocks: u32,
    ready: bool,
    password: String,
    locked: bool,
    keys: Vec<PrivateKey>,
    accounts: BTreeMap<u32, WalletAccount>,
    manner: Manner,
    /// What it says to one method instead of its own answer.
    instead: BTreeMap<String, Manner>,
    calls: VecDeque<String>,
}

/// What it says to one request, and whether it was told to say something else.
struct Reply {
    method: Option<String>,
    body: String,
}

impl WalletDaemon {
    /// A daemon without a chain that listens here; port 0 means any free port. Needs the runtime.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Mutex::new(State {
            blocks: 0,
            ready: true,
            password: String::new(),
            locked: false,
            keys: Vec::new(),
            accounts: BTreeMap::new(),
            manner: Manner::Good,
            instead: BTreeMap::new(),
            calls: VecDeque::new(),
        }));
        let (alive, stop) = watch::channel(());
        tokio::spawn(accept(Arc::clone(&shared), listener, stop));
        Ok(Self { shared, address, _alive: alive })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its wallet holds this key from now on.
    pub fn add_key(&self, key: PrivateKey) {
        self.state().keys.push(key);
    }

    /// Its chain has this account from now on.
    pub fn put_account(&self, number: u32, account: WalletAccount) {
        self.state().accounts.insert(number, account);
    }

    /// So many more blocks; how many there are.
    pub fn advance(&self, blocks: u32) -> u32 {
        let mut state = self.state();
        state.blocks += blocks;
        state.blocks
    }

    /// In the next block the account belongs to somebody else.
    pub fn sell(&self, number: u32, new_key: PublicKey) {
        let mut state = self.state();
        let block = state.blocks;
        state.blocks += 1;
        state.change(number, new_key, block);
    }

    /// The account is sold by an operation that waits for its block.
    pub fn begin_to_sell(&self, number: u32, new_key: PublicKey) {
        let mut state = self.state();
        let block = state.blocks;
        state.change(number, new_key, block);
    }

    /// Whether it follows the chain.
    pub fn set_ready(&self, ready: bool) {
        self.state().ready = ready;
    }

    /// Gives the wallet a password, and locks it.
    pub fn lock_with(&self, password: &str) {
        let mut state = self.state();
        password.clone_into(&mut state.password);
        state.locked = !password.is_empty();
    }

    /// Whether its wallet is locked.
    pub fn is_locked(&self) -> bool {
        self.state().locked
    }

    /// Answers like this from now on.
    pub fn behave(&self, manner: Manner) {
        self.state().manner = manner;
    }

    /// Answers one method like this from now on.
    pub fn behave_at(&self, method: &str, manner: Manner) {
        self.state().instead.insert(method.to_owned(), manner);
    }

    /// The methods that were called, in their order.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(shared: Arc<Mutex<State>>, listener: TcpListener, mut stop: watch::Receiver<()>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let (shared, mut stop) = (Arc::clone(&shared), stop.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        // Whoever asked may have gone.
                        served = serve(&shared, stream) => served.unwrap_or_default(),
                        // Fails when the daemon is dropped.
                        _ = stop.changed() => {}
                    }
                });
            },
            _ = stop.changed() => return,
        }
    }
}

/// One connection: one request, one answer.
async fn serve(shared: &Mutex<State>, mut stream: TcpStream) -> io::Result<()> {
    let body = request(&mut stream).await?;
    let (manner, answer) = {
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = state.answer(&body);
        let instead = reply.method.as_ref().and_then(|method| state.instead.get(method));
        (instead.unwrap_or(&state.manner).clone(), reply.body)
    };
    match manner {
        Manner::Good => stream.write_all(&http(&answer)).await,
        Manner::Says(body) => stream.write_all(&http(&body)).await,
        Manner::Closes => Ok(()),
        Manner::Silent => std::future::pending().await,
        Manner::Breaks => {
            let answer = http(&answer);
            stream.write_all(answer.split_at(answer.len() - answer.len().min(10)).0).await
        }
        Manner::Endless => {
            stream.write_all(b"HTTP/1.1 200\r\nContent-Type: application/json;charset=utf-8\r\n\r\n").await?;
            loop {
                stream.write_all(&[0; 4096]).await?;
            }
        }
        Manner::EndlessHead => {
            stream.write_all(b"HTTP/1.1 200\r\n").await?;
            loop {
                stream.write_all(b"Server: PascalCoin HTTP JSON-RPC Server\r\n").await?;
            }
        }
    }
}

/// The body of a request; empty without a Content-Length.
async fn request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            let wanted = (end + 4).saturating_add(length.unwrap_or_default());
            if bytes.len() >= wanted {
                return Ok(bytes.get(end + 4..wanted).unwrap_or_default().to_vec());
            }
        }
        let count = stream.read(&mut some).await?;
        bytes.extend(some.iter().take(count));
        if count == 0 || bytes.len() > REQUEST_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

fn http(body: &str) -> Vec<u8> {
    let head =
        "HTTP/1.1 200\r\nServer: PascalCoin HTTP JSON-RPC Server\r\nContent-Type: application/json;charset=utf-8";
    let length = body.len();
    format!("{head}\r\nContent-length: {length}\r\nConnection: close\r\nAccess-Control-Allow-Origin: *\r\n\r\n{body}")
        .into_bytes()
}

/// What a method says: the JSON of its result, or number and words of its error.
type Said = Result<String, (i64, String)>;

fn error<T>(said: (i64, &str)) -> Result<T, (i64, String)> {
    Err((said.0, said.1.to_owned()))
}

impl State {
    /// The whole answer, and the method when there was one.
    fn answer(&mut self, body: &[u8]) -> Reply {
        let Ok(Value::Object(request)) = serde_json::from_slice(body) else {
            return Reply { method: None, body: NO_DATA.to_owned() };
        };
        let method = request.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.calls.push_back(method.clone());
        if self.calls.len() > KEPT_MAX {
            self.calls.pop_front();
        }
        let none = Map::new();
        let params = Params(request.get("params").and_then(Value::as_object).unwrap_or(&none));
        let said = match self.call(&method, &params) {
            Ok(result) => format!("\"result\":{result}"),
            Err((code, message)) => format!("\"error\":{{\"code\":{code},\"message\":{}}}", text(&message)),
        };
        let id = match request.get("id") {
            Some(Value::String(id)) => text(id),
            Some(id) => id.to_string(),
            None => "null".to_owned(),
        };
        Reply { method: Some(method), body: format!("{{{said},\"id\":{id},\"jsonrpc\":\"2.0\"}}") }
    }

    fn call(&mut self, method: &str, params: &Params<'_>) -> Said {
        match method {
            "nodestatus" => Ok(self.node_status()),
            "getblockcount" => Ok(self.blocks.to_string()),
            "getaccount" => self.account(params),
            "findaccounts" => self.find(params),
            "lock" => {
                self.locked = !self.password.is_empty();
                Ok(self.locked.to_string())
            }
            "unlock" => {
                let password = params.text("pwd").ok_or_else(|| need("pwd"))?;
                self.locked &= password != self.password;
                Ok((!self.locked).to_string())
            }
            "signmessage" => self.sign(params),
            "payloaddecrypt" => self.decrypt(params),
            "setwalletpassword" if self.locked => error(LOCKED_UNLOCK_FIRST),
            "setwalletpassword" => {
                params.text("pwd").unwrap_or_default().clone_into(&mut self.password);
                Ok(true.to_string())
            }
            unknown => Err((1001, format!("Method not found: \"{unknown}\""))),
        }
    }

    /// A wallet signs whatever it is given.
    fn sign(&self, params: &Params<'_>) -> Said {
        if self.locked {
            return error(LOCKED);
        }
        let digest = params.text("digest").unwrap_or_default();
        let digest = bytes_of_hex(digest).ok_or((1016, "Param digest with invalid hexadecimal data".to_owned()))?;
        let by_raw = params.text("enc_pubkey").and_then(bytes_of_hex);
        let by_raw = by_raw.and_then(|raw| Some(PublicKey::parse_raw(&raw).ok()?.0));
        let wanted = by_raw.or_else(|| params.text("b58_pubkey")?.parse().ok());
        let wanted = wanted.ok_or_else(|| need("enc_pubkey or b58_pubkey"))?;
        let key = self.keys.iter().find(|key| key.public_key() == wanted);
        let key = key.ok_or_else(|| (1005, format!("Public Key not found in wallet: {}", wanted.to_base58())))?;
        let mut chance = random().map_err(|error| (1000, error.to_string()))?;
        let signature = signature::sign(key, &digest, &mut chance);
        let (digest, raw, signature) = (hex(&digest), hex(&wanted.to_raw()), hex(&signature.to_raw()));
        Ok(format!("{{\"digest\":\"{digest}\",\"enc_pubkey\":\"{raw}\",\"signature\":\"{signature}\"}}"))
    }

    /// Opens what was sealed for one of its keys, or with one of these passwords, which then stand in the answer.
    fn decrypt(&self, params: &Params<'_>) -> Said {
        if self.locked {
            return error(LOCKED_UNLOCK_FIRST);
        }
        let payload = params.text("payload").ok_or_else(|| need("payload"))?;
        let payload = bytes_of_hex(payload).unwrap_or_else(|| vec![0]);
        let sealed = hex(&payload);
        let found = self.keys.iter().find_map(|key| {
            let plain = ecies::open(key, &payload).ok()?;
            let raw = hex(&key.public_key().to_raw());
            Some((plain, format!("\"payload_method\":\"key\",\"enc_pubkey\":\"{raw}\"")))
        });
        let passwords = params.0.get("pwds").and_then(Value::as_array).cloned().unwrap_or_default();
        let found = found.or_else(|| {
            passwords.iter().filter_map(Value::as_str).find_map(|password| {
                let plain = aes_form::open(password.as_bytes(), &payload)?;
                Some((plain.to_vec(), format!("\"payload_method\":\"pwd\",\"pwd\":{}", text(password))))
            })
        });
        Ok(match found {
            Some((plain, how)) => format!(
                "{{\"unenc_payload\":{},\"unenc_hexpayload\":\"{}\",{how},\"result\":true,\"enc_payload\":\"{sealed}\"}}",
                text(&String::from_utf8_lossy(&plain)),
                hex(&plain)
            ),
            None => format!("{{\"result\":false,\"enc_payload\":\"{sealed}\"}}"),
        })
    }

    fn node_status(&self) -> String {
        let (ready, why) = if self.ready { (true, "") } else { (false, "Alone in the world...") };
        let Self { locked, blocks, .. } = self;
        format!(
            "{{\"ready\":{ready},\"ready_s\":{},\"status_s\":\"Running\",\"port\":4004,\"locked\":{locked},\
             \"timestamp\":1795359288,\"version\":\"5.8\",\"netprotocol\":{{\"ver\":14,\"ver_a\":15}},\"blocks\":{blocks},\
             \"sbh\":\"A092C5ACFD19FA13B6071AAC156F92859F650B148CE53FBE692E7E77BF851999\",\"pow\":\"\",\
             \"netstats\":{{\"active\":3,\"clients\":3,\"servers\":0,\"servers_t\":0,\"total\":53,\"tclients\":53,\
             \"tservers\":0,\"breceived\":79607787,\"bsend\":38287,\"ips\":48}},\"openssl\":\"1010002F\",\
             \"datafolder\":\"<datafolder>\"}}",
            text(why)
        )
    }

    fn account(&self, params: &Params<'_>) -> Said {
        let number = match params.0.get("account") {
            None | Some(Value::Null) => return error((1002, "Param \"account\" not provided or null")),
            Some(Value::String(typed)) if typed.starts_with(|first: char| first.is_ascii_digit()) => {
                let parsed = typed.parse::<AccountNumber>().map(AccountNumber::value);
                parsed.map_err(|_| (1002, format!("\"{typed}\" is not valid Account EPASA for Param \"account\"")))?
            }
            Some(Value::String(typed)) => {
                return Err((1002, format!("\"{typed}\" is not valid Account Number for Param \"account\"")));
            }
            Some(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or(u32::MAX),
        };
        let account = self.accounts.get(&number);
        let account = account.ok_or_else(|| (1002, format!("Account number {number} does not exist in safebox")))?;
        Ok(account_json(number, account))
    }

    fn find(&self, params: &Params<'_>) -> Said {
        let name = params.text("name").unwrap_or_default().to_ascii_lowercase();
        if let Some(first) = name.chars().next().filter(char::is_ascii_digit) {
            return Err((1006, format!("Invalid char {first} at first pos")));
        }
        let key = params.text("enc_pubkey").map(str::to_ascii_uppercase);
        let account_type = params.0.get("type").and_then(Value::as_u64);
        let found = self.accounts.iter().filter(|(_, account)| {
            (name.is_empty() || account.name == name)
                && key.as_ref().is_none_or(|key| hex(&account.key.to_raw()) == *key)
                && account_type.is_none_or(|wanted| wanted == u64::from(account.account_type))
                // A change that waits is shown by number only.
                && account.updated_active.max(account.updated_passive) < self.blocks
        });
        let found: Vec<String> = found.map(|(number, account)| account_json(*number, account)).collect();
        Ok(format!("[{}]", found.join(",")))
    }

    fn change(&mut self, number: u32, new_key: PublicKey, block: u32) {
        if let Some(account) = self.accounts.get_mut(&number) {
            account.key = new_key;
            account.updated_passive = block;
            // A seal that was never there before.
            for (place, byte) in account.seal.iter_mut().zip(block.to_le_bytes()) {
                *place = place.wrapping_add(byte).wrapping_add(1);
            }
        }
    }
}

struct Params<'a>(&'a Map<String, Value>);

impl Params<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }
}

fn need(param: &str) -> (i64, String) {
    (1016, format!("Need param \"{param}\""))
}

fn account_json(number: u32, account: &WalletAccount) -> String {
    let WalletAccount { key, balance, n_operation, updated_active, updated_passive, name, account_type, data, seal } =
        account;
    let coins = format!("{}.{:04}", balance / 10_000, balance % 10_000);
    format!(
        "{{\"account\":{number},\"enc_pubkey\":\"{}\",\"balance\":{coins},\"balance_s\":\"{coins}\",\
         \"n_operation\":{n_operation},\"updated_b\":{},\"updated_b_active_mode\":{updated_active},\
         \"updated_b_passive_mode\":{updated_passive},\"state\":\"normal\",\"name\":{},\"type\":{account_type},\
         \"data\":\"{}\",\"seal\":\"{}\"}}",
        hex(&key.to_raw()),
        updated_active.max(updated_passive),
        text(name),
        hex(data),
        hex(seal)
    )
}

/// A text as a daemon writes it: byte for byte, with signs of its own escaped that need not be.
fn text(text: &str) -> String {
    let mut json = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | b'/' => json.extend(['\\', char::from(byte)]),
            b'{' | b'}' | 0..=0x1f | 0x7f.. => json.push_str(&format!("\\u{byte:04X}")),
            _ => json.push(char::from(byte)),
        }
    }
    json.push('"');
    json
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
