//! Chat keys of this node: who is speaking.

use nightjar_core::time::Wall;
use nightjar_envelope::delegation::Scope;
use nightjar_node::chain::daemon::DaemonError;
use nightjar_node::handle::Handle;
use nightjar_node::identity::{
    ChangeError, ExportError, Identities, Identity, ImportError, SecretError, WhichError, WriteError,
};
use nightjar_node::prove::{ProveError, ProveWish, Signer};
use serde::Serialize;

use crate::rpc::arguments::{Arguments, Kind, Need, Param};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::message::Answer;
use crate::rpc::table::{Call, Field, Method, field, field_if};

const WHICH: Param = Param {
    name: "which",
    kind: Kind::Text,
    need: Need::Required,
    doc: "`default`, a nick, or the first digits (four or more) of a key.",
};
const PASSPHRASE: Param = Param {
    name: "passphrase",
    kind: Kind::Text,
    need: Need::Optional,
    doc: "The passphrase of the file; none when left out.",
};

/// What an identity is told as.
const SHOWN: &[Field] = &[
    field("key", "hex", "The public key, 32 bytes."),
    field("nick", "text or null", "What it calls itself."),
    field("default", "boolean", "Whether it speaks when nobody says which."),
    field("made", "integer", "When it was made, Unix milliseconds."),
    field("revoked", "integer or null", "When it was revoked, Unix milliseconds."),
    field("replaced", "integer or null", "When it was handed over, Unix milliseconds."),
    field("heir", "hex or null", "The key that it was handed over to."),
    field("accounts", "array", "The accounts it has proofs for."),
    field("accounts[].account", "text", "The account."),
    field("accounts[].until", "integer", "Until when the proof counts, Unix seconds."),
];
const EXAMPLE: &str = r#"{"key":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","nick":"nightraven","default":true,"made":1767225000123,"revoked":null,"replaced":null,"heir":null,"accounts":[]}"#;

pub(crate) const NEW: Method<Handle> = Method {
    name: "identitynew",
    summary: "Makes a chat key. The first one is the default.",
    notes: "What is signed with it shows that it comes from one and the same; who that is, is shown by `prove`.",
    params: &[Param {
        name: "nick",
        kind: Kind::Text,
        need: Need::Optional,
        doc: "What it calls itself; nobody is kept from calling himself the same.",
    }],
    result: SHOWN,
    example: r#"{"nick":"nightraven"}"#,
    example_result: EXAMPLE,
    run: |call, mut arguments| {
        Box::pin(async move {
            let nick = arguments.text("nick");
            changed(&call, move |all, now| all.new_identity(nick.as_deref(), now)).await
        })
    },
};

pub(crate) const LIST: Method<Handle> = Method {
    name: "identitylist",
    summary: "The chat keys of this node.",
    notes: "",
    params: &[],
    result: &[
        field("locked", "boolean", "Whether their secrets wait for `identityunlock`."),
        field("passphrase", "boolean", "Whether they have a passphrase."),
        field("identities", "array", "Each as `identitynew` gives it."),
        field("identities[].key", "hex", "The public key, 32 bytes."),
        field("identities[].nick", "text or null", "What it calls itself."),
        field("identities[].default", "boolean", "Whether it speaks when nobody says which."),
        field("identities[].made", "integer", "When it was made, Unix milliseconds."),
        field("identities[].revoked", "integer or null", "When it was revoked, Unix milliseconds."),
        field("identities[].replaced", "integer or null", "When it was handed over, Unix milliseconds."),
        field("identities[].heir", "hex or null", "The key that it was handed over to."),
        field("identities[].accounts", "array", "The accounts it has proofs for."),
        field("identities[].accounts[].account", "text", "The account."),
        field("identities[].accounts[].until", "integer", "Until when the proof counts, Unix seconds."),
    ],
    example: "{}",
    example_result: r#"{"locked":false,"passphrase":false,"identities":[{"key":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","nick":"nightraven","default":true,"made":1767225000123,"revoked":null,"replaced":null,"heir":null,"accounts":[]}]}"#,
    run: |call, _| Box::pin(list(call)),
};

pub(crate) const DEFAULT: Method<Handle> = Method {
    name: "identitydefault",
    summary: "Lets a chat key speak when nobody says which.",
    notes: "",
    params: &[WHICH],
    result: SHOWN,
    example: r#"{"which":"nightraven"}"#,
    example_result: EXAMPLE,
    run: |call, arguments| Box::pin(of_one(call, arguments, |all, which, _| all.make_default(which))),
};

pub(crate) const NICK: Method<Handle> = Method {
    name: "identitynick",
    summary: "Gives a chat key another nick, or none.",
    notes: "It is told to others with the next card.",
    params: &[
        WHICH,
        Param { name: "nick", kind: Kind::Text, need: Need::Optional, doc: "The nick; none when left out." },
    ],
    result: SHOWN,
    example: r#"{"which":"default","nick":"nightraven"}"#,
    example_result: EXAMPLE,
    run: |call, mut arguments| {
        let nick = arguments.text("nick");
        Box::pin(of_one(call, arguments, move |all, which, _| all.set_nick(which, nick.as_deref())))
    },
};

pub(crate) const REVOKE: Method<Handle> = Method {
    name: "identityrevoke",
    summary: "Ends a chat key, because it may be in other hands. It cannot be taken back.",
    notes: "The node speaks with it no more, and still opens what was sealed for it. Proofs of accounts that it had should be ended with \
            `prove` and `revoke` as well: others cannot know otherwise.",
    params: &[WHICH],
    result: SHOWN,
    example: r#"{"which":"8a88e3dd"}"#,
    example_result: r#"{"key":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","nick":"nightraven","default":false,"made":1767225000123,"revoked":1767311400123,"replaced":null,"heir":null,"accounts":[]}"#,
    run: |call, arguments| Box::pin(of_one(call, arguments, Identities::revoke)),
};

pub(crate) const HAND_OVER: Method<Handle> = Method {
    name: "identityhandover",
    summary: "Ends a chat key in favour of another one of this node, and tells that. It cannot be taken back.",
    notes: "It is told in clear, signed by both: at the names of the old key, and in the open channels where it spoke within a day; at once, and \
            daily for 90 days. Who knows the old key as a contact, or by a nick, goes on with the new one when he hears it. The new key speaks \
            where the old one spoke, and by default if that did. Accounts do not go over: `prove` them for the new key. While the keys are locked \
            nothing is told; it is made up for later.",
    params: &[
        WHICH,
        Param {
            name: "to",
            kind: Kind::Text,
            need: Need::Required,
            doc: "The key that goes on: a nick, or the first digits (four or more) of a key.",
        },
    ],
    result: SHOWN,
    example: r#"{"which":"8a88e3dd","to":"5dd3fa10"}"#,
    example_result: r#"{"key":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","nick":"nightraven","default":false,"made":1767225000123,"revoked":null,"replaced":1767311400123,"heir":"5dd3fa10ad2a0e0bb3c9a1a4d17a8f9f7f9c1a9de1f0c1a0cbb2f0f0c8f3a1d2","accounts":[]}"#,
    run: |call, mut arguments| {
        let to = arguments.text("to").unwrap_or_default();
        Box::pin(of_one(call, arguments, move |all, which, now| all.hand_over(which, &to, now)))
    },
};

pub(crate) const EXPORT: Method<Handle> = Method {
    name: "identityexport",
    summary: "A chat key as a text from which `identityimport` makes it elsewhere.",
    notes: "Without a passphrase, who sees the text has the key.",
    params: &[WHICH, PASSPHRASE],
    result: &[field("file", "text", "The text.")],
    example: r#"{"which":"default","passphrase":"a long one"}"#,
    example_result: r#"{"file":"-----BEGIN NIGHTJAR IDENTITY-----\n..."}"#,
    run: |call, arguments| Box::pin(export(call, arguments)),
};

pub(crate) const IMPORT: Method<Handle> = Method {
    name: "identityimport",
    summary: "Takes in a chat key that `identityexport` gave.",
    notes: "",
    params: &[Param { name: "file", kind: Kind::Text, need: Need::Required, doc: "The text." }, PASSPHRASE],
    result: SHOWN,
    example: r#"{"file":"-----BEGIN NIGHTJAR IDENTITY-----\n...","passphrase":"a long one"}"#,
    example_result: EXAMPLE,
    run: |call, arguments| Box::pin(import(call, arguments)),
};

pub(crate) const UNLOCK: Method<Handle> = Method {
    name: "identityunlock",
    summary: "Opens the chat keys with their passphrase, until the node ends or `identitylock`.",
    notes: "",
    params: &[Param { name: "passphrase", kind: Kind::Text, need: Need::Required, doc: "The passphrase." }],
    result: LOCKED,
    example: r#"{"passphrase":"a long one"}"#,
    example_result: r#"{"locked":false,"passphrase":true}"#,
    run: |call, mut arguments| {
        Box::pin(async move {
            let passphrase = secret(&mut arguments, "passphrase").unwrap_or_default();
            let unlocked = call.node.post().identities().off_the_tasks(move |all| all.unlock(&passphrase)).await;
            unlocked.map_err(|error| RpcError::new(Code::NotAllowed, error.to_string()))?;
            Ok(locked(&call))
        })
    },
};

pub(crate) const LOCK: Method<Handle> = Method {
    name: "identitylock",
    summary: "Forgets the secrets of the chat keys until `identityunlock`.",
    notes: "",
    params: &[],
    result: LOCKED,
    example: "{}",
    example_result: r#"{"locked":true,"passphrase":true}"#,
    run: |call, _| {
        Box::pin(async move {
            let locked_now = call.node.post().identities().off_the_tasks(Identities::lock).await;
            locked_now.map_err(|error| RpcError::new(Code::CannotBeSent, error.to_string()))?;
            Ok(locked(&call))
        })
    },
};

pub(crate) const PASSPHRASE_OF: Method<Handle> = Method {
    name: "identitypassphrase",
    summary: "Sets, changes or takes away the passphrase under which the chat keys lie on the disk.",
    notes: "",
    params: &[
        Param { name: "old", kind: Kind::Text, need: Need::Optional, doc: "The one that is set now." },
        Param { name: "new", kind: Kind::Text, need: Need::Optional, doc: "The new one; none when left out." },
    ],
    result: LOCKED,
    example: r#"{"new":"a long one"}"#,
    example_result: r#"{"locked":false,"passphrase":true}"#,
    run: |call, mut arguments| {
        Box::pin(async move {
            let (old, new) = (secret(&mut arguments, "old"), secret(&mut arguments, "new"));
            let set = move |all: &Identities| all.set_passphrase(text(&old), text(&new));
            let done = call.node.post().identities().off_the_tasks(set).await;
            done.map_err(|error| RpcError::new(Code::NotAllowed, error.to_string()))?;
            Ok(locked(&call))
        })
    },
};

pub(crate) const PROVE: Method<Handle> = Method {
    name: "prove",
    summary: "Has the key of an account sign that a chat key of this node speaks for it, and tells that where the chat key speaks.",
    notes: "Signed by the wallet of the configured `daemon`, or from a wallet's key file. A locked wallet is opened with `wallet_pwd` for this \
            one call and locked again, also when the call fails. Nothing else can be signed this way, and what is signed is no coin operation: \
            see `docs/wire/delegation.md`. With `revoke` it ends what was proven.",
    params: &[
        Param { name: "account", kind: Kind::Account, need: Need::Required, doc: "The account." },
        Param {
            name: "which",
            kind: Kind::Text,
            need: Need::Optional,
            doc: "The chat key: `default`, a nick, or the first digits (four or more) of a key; `default` when left out.",
        },
        Param {
            name: "days",
            kind: Kind::Integer(1, 90),
            need: Need::Optional,
            doc: "For how many days it counts; 90 when left out.",
        },
        Param {
            name: "with_name",
            kind: Kind::Boolean,
            need: Need::Optional,
            doc: "Claim the account's name on the chain as well. `false` when left out.",
        },
        Param { name: "revoke", kind: Kind::Boolean, need: Need::Optional, doc: "End it. `false` when left out." },
        Param { name: "wallet_pwd", kind: Kind::Text, need: Need::Optional, doc: "The password of a locked wallet." },
        Param { name: "key_file", kind: Kind::Bytes, need: Need::Optional, doc: "A wallet's key file, whole." },
        Param { name: "file_pwd", kind: Kind::Text, need: Need::Optional, doc: "The password of the key file." },
    ],
    result: &[
        field("account", "text", "The account."),
        field("key", "hex", "The chat key."),
        field("issued", "integer", "Since when it counts, Unix seconds."),
        field("until", "integer", "Until when, Unix seconds."),
        field("revoked", "boolean", "Whether it ended what was proven."),
        field_if("name", "text", "The account's name, when it is claimed as well."),
    ],
    example: r#"{"account":"1234-44"}"#,
    example_result: r#"{"account":"1234-44","key":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","issued":1767225000,"until":1775001000,"revoked":false}"#,
    run: |call, arguments| Box::pin(prove(call, arguments)),
};

const LOCKED: &[Field] = &[
    field("locked", "boolean", "Whether the secrets wait for `identityunlock`."),
    field_if("passphrase", "boolean", "Whether there is a passphrase."),
];

type Secret = zeroize::Zeroizing<String>;

#[derive(Serialize)]
pub(super) struct Shown {
    key: String,
    nick: Option<String>,
    default: bool,
    made: u64,
    revoked: Option<u64>,
    replaced: Option<u64>,
    heir: Option<String>,
    accounts: Vec<ShownAccount>,
}

#[derive(Serialize)]
struct ShownAccount {
    account: String,
    until: u32,
}

#[derive(Serialize)]
struct List {
    locked: bool,
    passphrase: bool,
    identities: Vec<Shown>,
}

#[derive(Serialize)]
struct Lock {
    locked: bool,
    passphrase: bool,
}

#[derive(Serialize)]
struct Exported<'a> {
    file: &'a str,
}

pub(super) fn shown(identity: &Identity) -> Shown {
    let account = |proof: &nightjar_node::identity::Proof| ShownAccount {
        account: nightjar_core::name::Name::Account(proof.account).text(),
        until: proof.until,
    };
    Shown {
        key: identity.key.to_string(),
        nick: identity.nick.clone(),
        default: identity.default,
        made: identity.made.0,
        revoked: identity.revoked.map(|when| when.0),
        replaced: identity.replaced.map(|(when, _)| when.0),
        heir: identity.replaced.map(|(_, heir)| heir.to_string()),
        accounts: identity.proofs.iter().filter(|proof| !proof.is_end()).map(account).collect(),
    }
}

async fn list(call: Call<Handle>) -> Result<Answer, RpcError> {
    let all = call.node.post().identities();
    let identities = all.list().iter().map(shown).collect();
    Ok(Answer::of(&List { locked: all.locked(), passphrase: all.has_passphrase(), identities }))
}

async fn export(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let which = arguments.text("which").unwrap_or_default();
    let passphrase = secret(&mut arguments, "passphrase");
    let export = move |all: &Identities| all.export(&which, text(&passphrase));
    let file = call.node.post().identities().off_the_tasks(export).await;
    let file = file.map_err(|error| {
        let code = match &error {
            ExportError::Secret(SecretError::Locked(_)) => Code::Locked,
            _ => Code::NotFound,
        };
        RpcError::new(code, error.to_string())
    })?;
    Ok(Answer::of(&Exported { file: &file }))
}

async fn import(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let file = secret(&mut arguments, "file").unwrap_or_default();
    let passphrase = secret(&mut arguments, "passphrase");
    let import = move |all: &Identities| all.import(file.as_bytes(), text(&passphrase));
    let taken = call.node.post().identities().off_the_tasks(import).await;
    let identity = taken.map_err(|error| match error {
        ImportError::Change(error) => RpcError::from(error),
        error => RpcError::new(Code::InvalidParams, error.to_string()),
    })?;
    call.node.post().refresh_own();
    Ok(Answer::of(&shown(&identity)))
}

#[derive(Serialize)]
struct Proven {
    account: String,
    key: String,
    issued: u32,
    until: u32,
    revoked: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
}

async fn prove(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let account = arguments.account("account").expect("it is required");
    let (wallet, file) = (secret(&mut arguments, "wallet_pwd"), arguments.bytes("key_file"));
    let file_password = secret(&mut arguments, "file_pwd");
    let signer = match (file, wallet, file_password) {
        (Some(_), Some(_), _) | (None, _, Some(_)) => {
            let why = "parameters \"key_file\" with \"file_pwd\" are for a file, \"wallet_pwd\" is for a running wallet: give one";
            return Err(RpcError::new(Code::InvalidParams, why));
        }
        (Some(bytes), None, password) => {
            Signer::File { bytes: zeroize::Zeroizing::new(bytes), password: password.unwrap_or_default() }
        }
        (None, password, None) => Signer::Wallet(password),
    };
    let wish = ProveWish {
        account,
        which: arguments.text("which").unwrap_or_else(|| "default".to_owned()),
        with_name: arguments.boolean("with_name").unwrap_or(false),
        days: arguments.integer("days").unwrap_or(90),
        revoke: arguments.boolean("revoke").unwrap_or(false),
        signer,
    };
    let (_, claim) = call.node.prove(wish).await?;
    Ok(Answer::of(&Proven {
        account: nightjar_core::name::Name::Account(account).text(),
        key: claim.chat_key.to_string(),
        issued: claim.issued,
        until: claim.until,
        revoked: claim.scope == Scope::NOTHING,
        name: claim.name,
    }))
}

impl From<ProveError> for RpcError {
    fn from(error: ProveError) -> Self {
        let code = match &error {
            ProveError::Which(_) | ProveError::NoAccount { .. } | ProveError::NoDaemon => Code::NotFound,
            ProveError::Password(_) => Code::NotAllowed,
            ProveError::Daemon(DaemonError::Locked { .. }) => Code::Locked,
            ProveError::Ended(_) | ProveError::Days(_) | ProveError::NoName(_) | ProveError::NoKey(_) => {
                Code::InvalidParams
            }
            ProveError::File(_) | ProveError::Decrypt(_) => Code::InvalidParams,
            _ => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

async fn of_one(
    call: Call<Handle>,
    mut arguments: Arguments,
    act: impl FnOnce(&Identities, &str, Wall) -> Result<Identity, ChangeError> + Send + 'static,
) -> Result<Answer, RpcError> {
    let which = arguments.text("which").unwrap_or_default();
    changed(&call, move |all, now| act(all, &which, now)).await
}

async fn changed(
    call: &Call<Handle>,
    act: impl FnOnce(&Identities, Wall) -> Result<Identity, ChangeError> + Send + 'static,
) -> Result<Answer, RpcError> {
    let post = call.node.post();
    let now = post.now();
    let identity = post.identities().off_the_tasks(move |all| act(all, now)).await?;
    post.refresh_own();
    Ok(Answer::of(&shown(&identity)))
}

fn locked(call: &Call<Handle>) -> Answer {
    call.node.post().refresh_own();
    let all = call.node.post().identities();
    Answer::of(&Lock { locked: all.locked(), passphrase: all.has_passphrase() })
}

fn secret(arguments: &mut Arguments, name: &str) -> Option<Secret> {
    arguments.text(name).map(Secret::new)
}

fn text(secret: &Option<Secret>) -> Option<&str> {
    secret.as_ref().map(|secret| secret.as_str())
}

impl From<ChangeError> for RpcError {
    fn from(error: ChangeError) -> Self {
        let code = match &error {
            ChangeError::Which(_) => Code::NotFound,
            ChangeError::Write(WriteError::Locked(_)) => Code::Locked,
            ChangeError::Write(_) => Code::Internal,
            _ => Code::InvalidParams,
        };
        Self::new(code, error.to_string())
    }
}

impl From<WhichError> for RpcError {
    fn from(error: WhichError) -> Self {
        Self::new(Code::NotFound, error.to_string())
    }
}
