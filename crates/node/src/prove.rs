//! Makes proofs that a chat key speaks for an account: the account's key signs once, in a wallet or from a wallet's file. What is signed
//! is made here of typed fields, and nothing else can be signed this way; no password is kept.

use nightjar_core::chain::Network;
use nightjar_core::name::Name;
use nightjar_envelope::delegation::{
    Checked, Claim, Delegation, DelegationFault, LIFE_S_MAX, NAME_BYTES_MAX, Scope, point_of,
};
use nightjar_envelope::key::ChatKey;
use nightjar_pasc::key::{PrivateKey, PublicKey};
use nightjar_pasc::signature;
use nightjar_pasc::wallet_file::{DecryptError, WalletFile, WalletFileError};
use zeroize::Zeroizing;

use crate::chain::daemon::{Daemon, DaemonError};
use crate::chain::view::{Ask, Looked};
use crate::engine::random;
use crate::handle::Handle;
use crate::identity::{ChangeError, Identity, Proof, WhichError};

/// Who signs for the account.
pub enum Signer {
    /// The wallet of the configured daemon. If it is locked: its password, for this one call.
    Wallet(Option<Zeroizing<String>>),
    /// A wallet's key file, and its password.
    File {
        /// The whole file.
        bytes: Zeroizing<Vec<u8>>,
        /// Empty if it has none.
        password: Zeroizing<String>,
    },
}

/// A wish to prove an account, or to end that.
pub struct ProveWish {
    /// The account.
    pub account: u32,
    /// For which of the node's chat keys.
    pub which: String,
    /// Whether the on-chain name of the account is claimed as well.
    pub with_name: bool,
    /// For how many days, 1..=90.
    pub days: u32,
    /// Whether this ends what was proven.
    pub revoke: bool,
    /// Who signs.
    pub signer: Signer,
}

/// Why there is no proof. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// No identity is meant.
    #[error(transparent)]
    Which(#[from] WhichError),
    /// It speaks no more.
    #[error("identity {0} was revoked or replaced: choose another one")]
    Ended(ChatKey),
    /// There is nothing to end.
    #[error("identity {key} has no proof of account {account} that could be ended: `identity show` lists what it has")]
    NotProven {
        /// The identity.
        key: ChatKey,
        /// The account.
        account: String,
    },
    /// It cannot be kept.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// Nobody says who owns the account.
    #[error("the key of account {account} is not known: {why}")]
    NoAccount {
        /// The account.
        account: String,
        /// Why.
        why: String,
    },
    /// No daemon is set.
    #[error(
        "no PascalCoin daemon is set: set `daemon` to the JSON-RPC of your wallet (usually 127.0.0.1:4003), or give a wallet's key file"
    )]
    NoDaemon,
    /// The daemon does not.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// The password is not that of the wallet.
    #[error("the wallet of the PascalCoin daemon at {0} does not open with this password: it is still locked")]
    Password(String),
    /// It could not be locked again.
    #[error(
        "the wallet of the PascalCoin daemon at {address} was unlocked and could not be locked again ({why}): lock it now"
    )]
    LeftOpen {
        /// Where it is.
        address: String,
        /// Why.
        why: String,
    },
    /// The file is none.
    #[error("the wallet's key file cannot be read: {0}")]
    File(#[from] WalletFileError),
    /// It does not hold the key.
    #[error("the wallet's key file does not hold the key that owns account {0}")]
    NoKey(String),
    /// It does not open.
    #[error("the key in the wallet's key file: {0}")]
    Decrypt(#[from] DecryptError),
    /// What was signed does not count.
    #[error("what the wallet signed is no proof: {0}")]
    Fault(#[from] DelegationFault),
    /// An impossible life.
    #[error("a proof lives 1 to 90 days: {0} were asked for")]
    Days(u32),
    /// A name that cannot stand in a proof.
    #[error(
        "account {0} has no name on the chain that could be claimed: prove the number alone, without `--with-name`"
    )]
    NoName(String),
    /// No chance.
    #[error("the system gives no random numbers ({0}): nothing can be signed")]
    Random(#[from] getrandom::Error),
}

impl Proof {
    /// Whether it ends what was shown for the account.
    pub fn is_end(&self) -> bool {
        Delegation::parse(&self.bytes).is_ok_and(|delegation| delegation.is_end())
    }
}

impl Handle {
    /// Makes a proof, keeps it with the identity, and tells it where the identity speaks. Gives what was signed.
    pub async fn prove(&self, wish: ProveWish) -> Result<(Identity, Claim), ProveError> {
        let ProveWish { account, which, with_name, days, revoke, signer } = wish;
        let post = self.post();
        let identity = post.identities().find(&which)?;
        // An ended key still may be told to be so.
        if identity.ended() && !revoke {
            return Err(ProveError::Ended(identity.key));
        }
        let life_s = days.checked_mul(86_400).filter(|life_s| (1..=LIFE_S_MAX).contains(life_s));
        let life_s = life_s.ok_or(ProveError::Days(days))?;
        let name_of = || Name::Account(account).text();
        let chain = self.chain().ok_or(ProveError::NoDaemon)?;
        let now = post.now();
        // The same identity may have been proven elsewhere, and told here.
        let shown = || identity.proofs.iter().find(|proof| proof.account == account).map(|proof| proof.bytes.clone());
        let ended = match revoke.then(|| post.claimed(account, identity.key).or_else(shown)) {
            Some(None) => return Err(ProveError::NotProven { key: identity.key, account: name_of() }),
            ended => ended.flatten(),
        };
        // Who signed it ends it, whoever owns the account by now.
        let signed_by = ended.and_then(|bytes| {
            let checked = Delegation::parse(&bytes).ok()?.check(post.network(), Some(&identity.key), now.unix_s());
            Some(checked.ok()?.claim.key)
        });
        let (key, name) = match signed_by {
            Some(key) => (key, String::new()),
            None => match chain.account(account, Ask::Anybody).await {
                Looked::Account(view) => (view.key, view.name),
                Looked::Nobody { block } => {
                    let why = format!("there is no such account at block {block}");
                    return Err(ProveError::NoAccount { account: name_of(), why });
                }
                Looked::Disputed(why) | Looked::Unavailable(why) => {
                    return Err(ProveError::NoAccount { account: name_of(), why });
                }
            },
        };
        let name = match with_name && !revoke {
            true if name.is_empty() || name.len() > NAME_BYTES_MAX => return Err(ProveError::NoName(name_of())),
            true => name,
            false => String::new(),
        };
        // Of two that were made within a second the later must count, and the time of issue of the first may have been moved on.
        let last = point_of(&key).ok().and_then(|point| post.last_issued(account, identity.key, &point));
        let issued = last.map_or(now.unix_s(), |last| now.unix_s().max(last.saturating_add(1)));
        let claim = claim(post.network(), account, key, identity.key, name, life_s, revoke, issued);
        let checked = match signer {
            Signer::Wallet(password) => {
                let daemon = chain.daemon().ok_or(ProveError::NoDaemon)?;
                by_wallet(daemon, &claim, password).await?
            }
            Signer::File { bytes, password } => by_file(claim, &bytes, &password, &name_of())?,
        };
        let proof = Proof { account, until: checked.claim.until, bytes: checked.bytes.clone() };
        let which = identity.key.to_string();
        let kept = post.identities().off_the_tasks(move |all| all.add_proof(&which, proof, now)).await?;
        post.proven(&checked);
        Ok((kept, checked.claim))
    }
}

#[expect(clippy::too_many_arguments, reason = "each is a field of the claim")]
fn claim(
    network: Network,
    account: u32,
    key: PublicKey,
    chat_key: ChatKey,
    name: String,
    life_s: u32,
    revoke: bool,
    issued: u32,
) -> Claim {
    let (scope, life_s) = if revoke { (Scope::NOTHING, LIFE_S_MAX) } else { (Scope::SPEAK, life_s) };
    let until = issued.saturating_add(life_s);
    let mut claim = Claim { network, account, scope, issued, until, name, key, chat_key };
    claim.settle();
    claim
}

/// The wallet is found locked or open, and left so.
async fn by_wallet(daemon: &Daemon, claim: &Claim, password: Option<Zeroizing<String>>) -> Result<Checked, ProveError> {
    let locked = daemon.status().await?.locked;
    let Some(password) = password.filter(|_| locked) else {
        // A locked wallet refuses, and the error says what to do.
        return Ok(claim.signed(&daemon.sign(claim).await?)?);
    };
    // Whoever asked may go away at any moment; the wallet must not stay open for that.
    let (daemon, claim) = (daemon.clone(), claim.clone());
    let done = tokio::spawn(async move {
        // It may have opened even if its answer did not come: it is locked again in any case.
        let signed = match daemon.unlock(&password).await {
            Ok(true) => daemon.sign(&claim).await.map_err(ProveError::from),
            Ok(false) => Err(ProveError::Password(daemon.address().to_string())),
            Err(error) => Err(error.into()),
        };
        let left_open = |why: String| ProveError::LeftOpen { address: daemon.address().to_string(), why };
        match daemon.lock().await {
            Ok(true) => Ok(claim.signed(&signed?)?),
            Ok(false) => Err(left_open("it says that it is not locked".to_owned())),
            Err(error) => Err(left_open(error.to_string())),
        }
    });
    done.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn by_file(claim: Claim, bytes: &[u8], password: &str, account: &str) -> Result<Checked, ProveError> {
    let file = WalletFile::parse(bytes)?;
    let entry = file.keys().iter().find(|entry| entry.public_key().same_point(&claim.key));
    let key: PrivateKey = entry.ok_or_else(|| ProveError::NoKey(account.to_owned()))?.decrypt(password.as_bytes())?;
    let signature = signature::sign(&key, &claim.digest(), &mut random()?);
    Ok(claim.signed(&signature)?)
}
