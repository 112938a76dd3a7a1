//! Who is who, what is joined with a secret, who asks to be heard.

use nightjar_core::name::{Name, TypedName};
use nightjar_envelope::key::ChatKey;
use nightjar_node::handle::Handle;
use nightjar_node::identity::KEY_DIGITS_MIN;
use nightjar_node::post::{DecideError, JoinError, JoinWish, Known, Who};
use nightjar_node::store::Relation;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::rpc::arguments::{Arguments, Kind, Need, Param, shorter};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::message::Answer;
use crate::rpc::table::{Call, Field, Method, field, field_if};

const NAME: Param =
    Param { name: "name", kind: Kind::Name, need: Need::Required, doc: "The account, nick or channel." };

pub(crate) const JOIN: Method<Handle> = Method {
    name: "join",
    summary: "Joins a name: listens to it, and reads what is under its secret.",
    notes: "With `passphrase` a channel is read, and written to, under that phrase; an empty one makes six words, which are the answer and are \
            not shown again. With `pwd` the node opens what others sealed to that name with a PascalCoin password. Without either it is \
            `listen`. Stretching a passphrase takes some tenths of a second and 64 MiB.",
    params: &[
        NAME,
        Param {
            name: "passphrase",
            kind: Kind::Text,
            need: Need::Optional,
            doc: "The channel's passphrase, as it is typed; empty = make six words.",
        },
        Param {
            name: "weak",
            kind: Kind::Boolean,
            need: Need::Optional,
            doc: "Take a passphrase that is easily guessed. `false` when left out.",
        },
        Param { name: "pwd", kind: Kind::Text, need: Need::Optional, doc: "A password of PascalCoin's own seal." },
    ],
    result: &[
        field("name", "text", "The name as it was typed."),
        field("sealed", "boolean", "Whether it is under a passphrase."),
        field_if(
            "passphrase",
            "text",
            "The six words, when they were made here. Give them to the others on another way.",
        ),
    ],
    example: r##"{"name":"#den","passphrase":""}"##,
    example_result: r##"{"name":"#den","sealed":true,"passphrase":"orchard vivid puzzle ladder amateur frost"}"##,
    run: |call, arguments| Box::pin(join(call, arguments)),
};

pub(crate) const PART: Method<Handle> = Method {
    name: "part",
    summary: "Leaves a name: neither listens to it nor reads what is under its secret.",
    notes: "Messages in the log stay. Leases of others on the name go on.",
    params: &[NAME],
    result: &[field("removed", "boolean", "`false` when it was not joined.")],
    example: r##"{"name":"#den"}"##,
    example_result: r#"{"removed":true}"#,
    run: |call, arguments| Box::pin(part(call, arguments)),
};

pub(crate) const JOINED: Method<Handle> = Method {
    name: "listjoined",
    summary: "The names that are read with a secret.",
    notes: "`listtargets` gives those that are listened to.",
    params: &[],
    result: &[
        field("[].name", "text", "The name as it was typed."),
        field("[].passphrase", "boolean", "Whether it is a channel under a passphrase."),
        field("[].pwd", "boolean", "Whether a PascalCoin password is set for it."),
    ],
    example: "{}",
    example_result: r##"[{"name":"#den","passphrase":true,"pwd":false}]"##,
    run: |call, _| Box::pin(joined(call)),
};

pub(crate) const WHOIS: Method<Handle> = Method {
    name: "whois",
    summary: "Who goes by a nick, an account or the name of an account, or has a chat key: those heard of here, the likeliest first.",
    notes: "Anybody may call himself anything: only `proven` and `proven by 3 peers` say more than the author himself does. The accounts that \
            the first eight claim are looked at: by the configured `daemon`, which also knows the names of accounts, else by PascalCoin peers, \
            which may take ten seconds. No node is asked who somebody is.",
    params: &[
        Param {
            name: "who",
            kind: Kind::Text,
            need: Need::Required,
            doc: "A nick, an account (1234-44), the first digits (four or more) of a chat key, or nick and digits (nightraven~8a88e3dd7409).",
        },
        Param {
            name: "look",
            kind: Kind::Boolean,
            need: Need::Optional,
            doc: "`false`: only what is known here, and nobody is asked. `true` when left out.",
        },
    ],
    result: PERSON,
    example: r#"{"who":"nightraven"}"#,
    example_result: PERSON_EXAMPLE,
    run: |call, arguments| Box::pin(whois(call, arguments)),
};

pub(crate) const REQUESTS: Method<Handle> = Method {
    name: "requests",
    summary: "Strangers who signed or sealed what they wrote to this node's chat keys, and were neither answered nor declined.",
    notes: "Answering under seal makes somebody a contact, as `accept` does.",
    params: &[],
    result: PERSON,
    example: "{}",
    example_result: PERSON_EXAMPLE,
    run: |call, _| {
        Box::pin(async move { Ok(Answer::of(&call.node.post().requests().iter().map(person).collect::<Vec<_>>())) })
    },
};

const KEY: Param = Param { name: "key", kind: Kind::Text, need: Need::Required, doc: "His chat key, 64 hex digits." };
const DECIDED: &[Field] = &[field("relation", "text", "How the user stands to him now: `contact` or `declined`.")];

pub(crate) const ACCEPT: Method<Handle> = Method {
    name: "accept",
    summary: "Makes somebody who asked, or was heard in a channel, a contact.",
    notes: "Somebody who was never heard of is an error.",
    params: &[KEY],
    result: DECIDED,
    example: r#"{"key":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"}"#,
    example_result: r#"{"relation":"contact"}"#,
    run: |call, arguments| Box::pin(decide(call, arguments, Relation::Contact)),
};

pub(crate) const DECLINE: Method<Handle> = Method {
    name: "decline",
    summary: "Hears somebody no more: what he signs or seals is dropped unread, until `accept`, or until he is written to.",
    notes: "He is not told. Somebody who was never heard of is an error.",
    params: &[KEY],
    result: DECIDED,
    example: r#"{"key":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"}"#,
    example_result: r#"{"relation":"declined"}"#,
    run: |call, arguments| Box::pin(decide(call, arguments, Relation::Declined)),
};

const PERSON: &[Field] = &[
    field("[].key", "hex", "The chat key."),
    field("[].nick", "text or null", "What he calls himself."),
    field("[].account", "text or null", "The account he says is his."),
    field(
        "[].state",
        "text",
        "`proven`, `proven by 3 peers`, `lapsed`, `disputed`, `claimed` or `unchecked`: what the chain says of that.",
    ),
    field_if("[].source", "text", "Who was asked."),
    field_if("[].block", "integer", "At which block."),
    field_if("[].looked", "integer", "When, Unix milliseconds."),
    field("[].heard", "integer", "When something last came from him, Unix milliseconds."),
    field("[].own", "boolean", "Whether it is a chat key of this node."),
    field("[].relation", "text or null", "`request`, `contact` or `declined`; `null` for a stranger."),
    field_if("[].looks_like", "text", "A nick of yours, or of a contact, that his nick is or looks like."),
    field_if(
        "[].heir",
        "hex",
        "The chat key that he goes on as, by his own word, if he is a contact, declined or meant by a name.",
    ),
];
const PERSON_EXAMPLE: &str = r#"[{"key":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","nick":"nightraven","account":"1234-44","state":"proven","source":"127.0.0.1:4003","block":600000,"looked":1767225000123,"heard":1767225000100,"own":false,"relation":"contact"}]"#;

#[derive(Serialize)]
struct Joined {
    name: String,
    sealed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase: Option<String>,
}

#[derive(Serialize)]
struct Removed {
    removed: bool,
}

#[derive(Serialize)]
struct JoinedName {
    name: String,
    passphrase: bool,
    pwd: bool,
}

#[derive(Serialize)]
struct Decided {
    relation: &'static str,
}

#[derive(Serialize)]
struct Person {
    key: String,
    nick: Option<String>,
    account: Option<String>,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    looked: Option<u64>,
    heard: u64,
    own: bool,
    relation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    looks_like: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heir: Option<String>,
}

fn person(known: &Known) -> Person {
    let Known { speaker, own, relation, looks_like, heir } = known;
    let asked = !speaker.source.is_empty();
    Person {
        key: speaker.key.to_string(),
        nick: speaker.nick.clone(),
        account: speaker.account.map(|account| Name::Account(account).text()),
        state: speaker.standing.to_string(),
        source: asked.then(|| speaker.source.clone()),
        block: (speaker.block > 0).then_some(speaker.block),
        looked: asked.then_some(speaker.looked.0),
        heard: speaker.heard.0,
        own: *own,
        relation: relation.map(word),
        looks_like: looks_like.clone(),
        heir: heir.map(|heir| heir.to_string()),
    }
}

const fn word(relation: Relation) -> &'static str {
    match relation {
        Relation::Request => "request",
        Relation::Contact => "contact",
        Relation::Declined => "declined",
    }
}

async fn join(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let name = arguments.name("name").expect("it is required");
    let passphrase = arguments.text("passphrase").map(Zeroizing::new);
    let password = arguments.text("pwd").map(Zeroizing::new);
    let weak = arguments.boolean("weak").unwrap_or(false);
    let typed = name.typed().to_owned();
    let sealed = passphrase.is_some();
    let made = if sealed || password.is_some() {
        call.node.post().join(JoinWish { name: name.clone(), passphrase, weak, password }).await?
    } else {
        None
    };
    // The open name is listened to only when that is all: who joins a channel of his own has no use for what others shout there.
    if !sealed {
        super::listen::keep(&call, name).await?;
    }
    Ok(Answer::of(&Joined { name: typed, sealed, passphrase: made.map(|words| words.to_string()) }))
}

async fn part(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let name = arguments.name("name").expect("it is required");
    let left = call.node.post().part(name.name()).await;
    let left = left.map_err(|error| RpcError::new(Code::Internal, error.to_string()))?;
    let unlistened = super::listen::end(&call, name).await?;
    Ok(Answer::of(&Removed { removed: left || unlistened }))
}

async fn joined(call: Call<Handle>) -> Result<Answer, RpcError> {
    let joined = call.node.post().joined().into_iter();
    let joined = joined.map(|(name, passphrase, pwd)| JoinedName { name, passphrase, pwd });
    Ok(Answer::of(&joined.collect::<Vec<_>>()))
}

async fn whois(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let who = who(&arguments.text("who").expect("it is required"))?;
    let look = arguments.boolean("look").unwrap_or(true);
    let found = if look { call.node.who_is(&who).await } else { call.node.post().who_is(&who) };
    Ok(Answer::of(&found.iter().map(person).collect::<Vec<_>>()))
}

/// Hex digits mean a key when they are no account; a nick that is all hex digits is written `@cafe`. What stands behind a `~` is
/// always a key.
fn who(text: &str) -> Result<Who, RpcError> {
    let refused = |why: String| RpcError::new(Code::InvalidParams, format!("parameter \"who\": {why}"));
    shorter(text, 128).map_err(refused)?;
    let is_digits =
        |text: &str| (KEY_DIGITS_MIN..=64).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    // As the command line shows one: the digits say who is meant, whatever the nick is by now. A channel may have such a name.
    if let Some((_, digits)) = text.rsplit_once('~').filter(|(_, digits)| is_digits(digits) && !text.starts_with('#')) {
        return Ok(Who::Key(digits.to_ascii_lowercase()));
    }
    let is_key = is_digits(text);
    match text.parse::<TypedName>() {
        Ok(name) if matches!(name.name(), Name::Nick(_)) && is_key && !text.starts_with('@') => {
            Ok(Who::Key(text.to_ascii_lowercase()))
        }
        Ok(name) => Ok(Who::Name(name.name().clone())),
        Err(_) if is_key => Ok(Who::Key(text.to_ascii_lowercase())),
        Err(error) => Err(refused(error.to_string())),
    }
}

async fn decide(call: Call<Handle>, mut arguments: Arguments, relation: Relation) -> Result<Answer, RpcError> {
    let text = arguments.text("key").expect("it is required");
    let refused = |why: String| RpcError::new(Code::InvalidParams, format!("parameter \"key\": {why}"));
    let key: ChatKey = text.parse().map_err(|error: nightjar_envelope::key::NotAChatKey| refused(error.to_string()))?;
    call.node.post().decide(key, relation).await?;
    Ok(Answer::of(&Decided { relation: word(relation) }))
}

impl From<DecideError> for RpcError {
    fn from(error: DecideError) -> Self {
        let code = match &error {
            DecideError::Contacts(_) => Code::TooMany,
            DecideError::NeverHeardOf(_) | DecideError::NoIdentity => Code::NotFound,
            DecideError::Locked => Code::Locked,
            DecideError::Oneself(_) => Code::InvalidParams,
            DecideError::Store(_) => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

impl From<JoinError> for RpcError {
    fn from(error: JoinError) -> Self {
        let code = match &error {
            JoinError::NoChannel(_) | JoinError::Joined(_) | JoinError::Weak(_) | JoinError::Passphrase(_) => {
                Code::InvalidParams
            }
            JoinError::TooMany => Code::TooMany,
            JoinError::Store(_) => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}
