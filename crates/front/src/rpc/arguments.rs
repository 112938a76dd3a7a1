//! Parameters of a call, checked against what its method declares. After it a method sees values of their own types only.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use nightjar_core::address::{Address, Host, LinkKind};
use nightjar_core::name::{Name, TypedName};
use nightjar_core::record::Target;
use serde_json::{Map, Value};

use super::error::{Code, RpcError};
use super::message::kind_of;
use crate::typed::{quoted, suggestion};

/// A parameter of a method.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Whether it must be there.
    pub need: Need,
    /// What it means, for the reference page.
    pub doc: &'static str,
}

/// Whether a parameter must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Always.
    Required,
    /// It may be left out.
    Optional,
    /// Either it or the other one, never both.
    Either(&'static str),
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// Bytes as hex digits of either case.
    Bytes,
    /// A whole number within these bounds, both included.
    Integer(u64, u64),
    /// `true` or `false`.
    Boolean,
    /// An account, a nick or a channel, as a person types it.
    Name,
    /// 32 hex digits.
    Target,
    /// An account as a number, `"1234"` or `"1234-44"`.
    Account,
    /// `host:port`, or `pascal://host:port`.
    Peer,
    /// `ip:port` of a wallet, with or without `pascal://`.
    Wallet,
    /// Objects, up to so many; the method looks into them.
    Objects(usize),
}

/// A parameter as it was given and meant.
#[derive(Clone, Debug, PartialEq)]
enum Argument {
    Text(String),
    Bytes(Vec<u8>),
    Integer(u64),
    Boolean(bool),
    Name(TypedName),
    Target(Target),
    Account(u32),
    Peer(Address),
    Wallet(SocketAddr),
    Objects(Vec<Map<String, Value>>),
}

/// The parameters of one call: all that must be there are, and each is what its method declares.
#[derive(Debug)]
pub struct Arguments {
    declared: &'static [Param],
    given: BTreeMap<&'static str, Argument>,
}

impl Kind {
    /// What is wanted, in a sentence: "... is wanted".
    pub fn wanted(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Bytes => "bytes as hex digits (two for each byte)".to_owned(),
            Self::Integer(0, u64::MAX) => "a whole number, 0 or more".to_owned(),
            Self::Integer(min, u64::MAX) => format!("a whole number from {min} on"),
            Self::Integer(min, max) => format!("a whole number from {min} to {max}"),
            Self::Boolean => "true or false".to_owned(),
            Self::Name => {
                "a name as text: an account (1234-44), a nick (nightraven) or a channel (#pascalcoin)".to_owned()
            }
            Self::Target => "a target as 32 hex digits".to_owned(),
            Self::Account => "an account: 1234, \"1234\" or \"1234-44\"".to_owned(),
            Self::Peer => "an address: \"host:port\", or \"pascal://host:port\" for a PascalCoin link".to_owned(),
            Self::Wallet => "a wallet's address: \"ip:port\", as `getconnections` shows it".to_owned(),
            Self::Objects(most) => format!("an array of up to {most} objects"),
        }
    }

    fn read(self, name: &str, value: Value) -> Result<Argument, RpcError> {
        let refused = |why: String| RpcError::new(Code::InvalidParams, format!("parameter {name:?}: {why}"));
        let unlike = |value: &Value| refused(format!("{} is given, {} is wanted", kind_of(value), self.wanted()));
        match (self, value) {
            (Self::Text, Value::String(text)) => Ok(Argument::Text(text)),
            (Self::Bytes, Value::String(text)) => bytes_of_hex(&text).map(Argument::Bytes).map_err(refused),
            (Self::Integer(min, max), Value::Number(number)) => match number.as_u64() {
                Some(number) if (min..=max).contains(&number) => Ok(Argument::Integer(number)),
                _ => Err(refused(format!("{number} is given, {} is wanted", self.wanted()))),
            },
            (Self::Boolean, Value::Bool(value)) => Ok(Argument::Boolean(value)),
            (Self::Name, Value::String(text)) => {
                shorter(&text, NAME_BYTES_MAX).map_err(refused)?;
                text.parse()
                    .map(Argument::Name)
                    .map_err(|error: nightjar_core::name::NameError| refused(error.to_string()))
            }
            (Self::Target, Value::String(text)) => {
                let target = text.parse::<Target>();
                target.map(Argument::Target).map_err(|error| refused(error.to_string()))
            }
            (Self::Account, Value::Number(number)) => account(name, &number.to_string()),
            (Self::Account, Value::String(text)) => account(name, &text),
            (Self::Peer, Value::String(text)) => {
                shorter(&text, ADDRESS_BYTES_MAX).map_err(refused)?;
                let peer = text.parse::<Address>();
                peer.map(Argument::Peer).map_err(|error| refused(error.to_string()))
            }
            (Self::Wallet, Value::String(text)) => wallet(&text).map(Argument::Wallet).map_err(refused),
            (Self::Objects(most), Value::Array(items)) => {
                if items.len() > most {
                    return Err(refused(format!("{} items are given, {} is wanted", items.len(), self.wanted())));
                }
                items.into_iter().map(object).collect::<Result<_, _>>().map(Argument::Objects).map_err(refused)
            }
            (_, value) => Err(unlike(&value)),
        }
    }
}

/// Longer than any name: what is longer is not repeated in an answer.
const NAME_BYTES_MAX: usize = 128;
/// Longer than any address.
const ADDRESS_BYTES_MAX: usize = 300;

pub(crate) fn shorter(text: &str, limit: usize) -> Result<(), String> {
    if text.len() > limit {
        return Err(format!("{} bytes are given, and nothing that is wanted here has more than {limit}", text.len()));
    }
    Ok(())
}

/// An item of an array.
fn object(item: Value) -> Result<Map<String, Value>, String> {
    match item {
        Value::Object(members) => Ok(members),
        other => Err(format!("{} is among them, objects alone are wanted", kind_of(&other))),
    }
}

pub(crate) fn bytes_of_hex(text: &str) -> Result<Vec<u8>, String> {
    if !text.len().is_multiple_of(2) {
        return Err(format!("{} hex digits are given, but a byte has two: one is missing or too many", text.len()));
    }
    let digit = |character: u8| char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = text.as_bytes().chunks_exact(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>().ok_or_else(|| {
        let stranger = text.chars().find(|character| !character.is_ascii_hexdigit()).unwrap_or_default();
        format!("{stranger:?} is no hex digit: only 0-9 and a-f are")
    })
}

fn account(param: &str, text: &str) -> Result<Argument, RpcError> {
    let refused = |why: String| RpcError::new(Code::Account, format!("parameter {param:?}: {why}"));
    shorter(text, NAME_BYTES_MAX).map_err(refused)?;
    // What does not begin with a digit would be read as a nick or a channel.
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(refused(format!("{} is no account number: {} is wanted", quoted(text), Kind::Account.wanted())));
    }
    match Name::parse(text) {
        Ok(Name::Account(number)) => Ok(Argument::Account(number)),
        Ok(_) => Err(refused(format!("{} is no account number", quoted(text)))),
        Err(error) => Err(refused(error.to_string())),
    }
}

fn wallet(text: &str) -> Result<SocketAddr, String> {
    shorter(text, ADDRESS_BYTES_MAX)?;
    let bare = text.strip_prefix("pascal://").unwrap_or(text);
    let address: Address =
        format!("pascal://{bare}").parse().map_err(|error: nightjar_core::address::AddressError| error.to_string())?;
    debug_assert_eq!(address.kind, LinkKind::Pascal, "the text begins with pascal://");
    match address.host {
        Host::Ip(ip) => Ok(SocketAddr::new(ip, address.port)),
        Host::Name(name) => Err(format!("{name:?} is a host name, {} is wanted", Kind::Wallet.wanted())),
    }
}

impl Arguments {
    /// Checks the parameters of a call.
    pub fn check(declared: &'static [Param], params: Map<String, Value>) -> Result<Self, RpcError> {
        let mut given = BTreeMap::new();
        for (name, value) in params {
            let Some(param) = declared.iter().find(|param| param.name == name) else {
                return Err(unknown(declared, &name));
            };
            given.insert(param.name, param.kind.read(param.name, value)?);
        }
        for param in declared {
            let there = given.contains_key(param.name);
            let refused = |why: String| Err(RpcError::new(Code::InvalidParams, why));
            match param.need {
                Need::Optional => {}
                Need::Required if there => {}
                Need::Required => {
                    return refused(format!(
                        "parameter {:?} is missing: {} is wanted",
                        param.name,
                        param.kind.wanted()
                    ));
                }
                Need::Either(other) => match (there, given.contains_key(other)) {
                    (true, true) => {
                        return refused(format!(
                            "parameters {:?} and {other:?} exclude each other: give one",
                            param.name
                        ));
                    }
                    (false, false) => {
                        return refused(format!(
                            "parameter {:?} or {other:?} is missing: give one of them",
                            param.name
                        ));
                    }
                    (true, false) | (false, true) => {}
                },
            }
        }
        Ok(Self { declared, given })
    }

    /// Takes a text out.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.take(name, |argument| if let Argument::Text(text) = argument { Some(text) } else { None })
    }

    /// Takes bytes out.
    pub(crate) fn bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        self.take(name, |argument| if let Argument::Bytes(bytes) = argument { Some(bytes) } else { None })
    }

    /// Takes a whole number out, in the type that its declared bounds fit.
    pub(crate) fn integer<T: TryFrom<u64>>(&mut self, name: &str) -> Option<T> {
        self.take(
            name,
            |argument| if let Argument::Integer(number) = argument { T::try_from(number).ok() } else { None },
        )
    }

    /// Takes `true` or `false` out.
    pub(crate) fn boolean(&mut self, name: &str) -> Option<bool> {
        self.take(name, |argument| if let Argument::Boolean(value) = argument { Some(value) } else { None })
    }

    /// Takes a name out.
    pub(crate) fn name(&mut self, name: &str) -> Option<TypedName> {
        self.take(name, |argument| if let Argument::Name(name) = argument { Some(name) } else { None })
    }

    /// Takes a target out.
    pub(crate) fn target(&mut self, name: &str) -> Option<Target> {
        self.take(name, |argument| if let Argument::Target(target) = argument { Some(target) } else { None })
    }

    /// Takes an account number out.
    pub(crate) fn account(&mut self, name: &str) -> Option<u32> {
        self.take(name, |argument| if let Argument::Account(number) = argument { Some(number) } else { None })
    }

    /// Takes a peer's address out.
    pub(crate) fn peer(&mut self, name: &str) -> Option<Address> {
        self.take(name, |argument| if let Argument::Peer(peer) = argument { Some(peer) } else { None })
    }

    /// Takes a wallet's address out.
    pub(crate) fn wallet(&mut self, name: &str) -> Option<SocketAddr> {
        self.take(name, |argument| if let Argument::Wallet(wallet) = argument { Some(wallet) } else { None })
    }

    /// Takes objects out.
    pub(crate) fn objects(&mut self, name: &str) -> Option<Vec<Map<String, Value>>> {
        self.take(name, |argument| if let Argument::Objects(objects) = argument { Some(objects) } else { None })
    }

    fn take<T>(&mut self, name: &str, of: impl FnOnce(Argument) -> Option<T>) -> Option<T> {
        assert!(self.declared.iter().any(|param| param.name == name), "a method takes only what it declares");
        let argument = self.given.remove(name)?;
        Some(of(argument).expect("a method takes each parameter as the kind it declares"))
    }
}

fn unknown(declared: &'static [Param], name: &str) -> RpcError {
    let names = || declared.iter().map(|param| param.name);
    let hint = suggestion(name, names());
    let hint = match (hint.is_empty(), declared.is_empty()) {
        (false, _) => hint,
        (true, true) => "; this method takes none".to_owned(),
        (true, false) => format!("; this method takes {}", names().collect::<Vec<_>>().join(", ")),
    };
    RpcError::new(Code::InvalidParams, format!("parameter {} is unknown{hint}", quoted(name)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

    use serde_json::json;

    use super::*;

    const fn param(name: &'static str, kind: Kind, need: Need) -> Param {
        Param { name, kind, need, doc: "" }
    }

    const ALL: &[Param] = &[
        param("text", Kind::Text, Need::Either("bytes")),
        param("bytes", Kind::Bytes, Need::Either("text")),
        param("number", Kind::Integer(1, 60), Need::Required),
        param("boolean", Kind::Boolean, Need::Optional),
        param("name", Kind::Name, Need::Optional),
        param("target", Kind::Target, Need::Optional),
        param("account", Kind::Account, Need::Optional),
        param("peer", Kind::Peer, Need::Optional),
        param("wallet", Kind::Wallet, Need::Optional),
        param("list", Kind::Objects(2), Need::Optional),
    ];

    fn check(params: Value) -> Result<Arguments, RpcError> {
        let Value::Object(params) = params else { panic!("parameters are an object") };
        Arguments::check(ALL, params)
    }

    #[test]
    fn each_kind_is_read_as_what_it_means() {
        let mut arguments = check(json!({
            "bytes": "00fFA0", "number": 60, "boolean": true, "name": "@Nightraven",
            "target": "000102030405060708090A0B0C0D0E0F", "account": "1234-44", "peer": "pascal://192.0.2.7:4004",
            "wallet": "pascal://[::ffff:127.0.0.1]:4004", "list": [{"a": 1}],
        }))
        .unwrap();
        assert_eq!(arguments.bytes("bytes"), Some(vec![0, 0xff, 0xa0]));
        assert_eq!(arguments.text("text"), None);
        assert_eq!(arguments.integer::<u8>("number"), Some(60));
        assert_eq!(arguments.boolean("boolean"), Some(true));
        assert_eq!(arguments.name("name").unwrap().name().text(), "nightraven");
        assert_eq!(arguments.target("target").unwrap().to_string(), "000102030405060708090a0b0c0d0e0f");
        assert_eq!(arguments.account("account"), Some(1234));
        assert_eq!(arguments.peer("peer").unwrap().to_string(), "pascal://192.0.2.7:4004");
        assert_eq!(Value::from(arguments.objects("list").unwrap()), json!([{"a": 1}]));
        assert_eq!(arguments.wallet("wallet"), Some("127.0.0.1:4004".parse().unwrap()));
    }

    #[test]
    fn an_account_is_a_number_or_a_text_with_or_without_checksum() {
        for account in [json!(1234), json!("1234"), json!("1234-44")] {
            let mut arguments = check(json!({"text": "", "number": 1, "account": account})).unwrap();
            assert_eq!(arguments.account("account"), Some(1234));
        }
        for account in
            [json!("1234-45"), json!("nightraven"), json!(""), json!(-1), json!(1.5), json!(4_294_967_296_u64)]
        {
            let error = check(json!({"text": "", "number": 1, "account": account})).unwrap_err();
            assert_eq!(error.code, Code::Account);
            assert!(error.message.starts_with("parameter \"account\": "), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_wanted() {
        for (params, says) in [
            (json!({"text": "", "nmber": 1}), r#"parameter "nmber" is unknown; did you mean "number"?"#),
            (json!({"text": "", "zzz": 1}), r#"parameter "zzz" is unknown; this method takes text, bytes, number"#),
            (json!({"text": ""}), r#"parameter "number" is missing: a whole number from 1 to 60 is wanted"#),
            (
                json!({"text": "", "number": 61}),
                r#"parameter "number": 61 is given, a whole number from 1 to 60 is wanted"#,
            ),
            (json!({"text": "", "number": -1}), r#"parameter "number": -1 is given"#),
            (json!({"text": "", "number": 1.5}), r#"parameter "number": 1.5 is given"#),
            (json!({"text": "", "number": "1"}), r#"parameter "number": a text is given"#),
            (json!({"text": 1, "number": 1}), r#"parameter "text": a number is given, a text is wanted"#),
            (json!({"text": null, "number": 1}), r#"parameter "text": null is given, a text is wanted"#),
            (json!({"number": 1}), r#"parameter "text" or "bytes" is missing: give one of them"#),
            (json!({"text": "", "bytes": "", "number": 1}), r#"parameters "text" and "bytes" exclude each other"#),
            (
                json!({"text": "", "number": 1, "list": [{}, {}, {}]}),
                r#"parameter "list": 3 items are given, an array"#,
            ),
            (json!({"text": "", "number": 1, "list": [{}, 1]}), r#"parameter "list": a number is among them"#),
            (json!({"text": "", "number": 1, "list": {}}), r#"parameter "list": an object is given, an array"#),
            (json!({"bytes": "abc", "number": 1}), r#"parameter "bytes": 3 hex digits are given"#),
            (json!({"bytes": "a b0", "number": 1}), r#"parameter "bytes": ' ' is no hex digit"#),
            (json!({"bytes": "+1", "number": 1}), r#"parameter "bytes": '+' is no hex digit"#),
            (
                json!({"text": "", "number": 1, "boolean": 1}),
                r#"parameter "boolean": a number is given, true or false"#,
            ),
            (json!({"text": "", "number": 1, "name": "no"}), r#"parameter "name": nick "no" has 2 characters"#),
            (json!({"text": "", "number": 1, "target": "00"}), r#"parameter "target": not 16 bytes in hex"#),
            (
                json!({"text": "", "number": 1, "peer": "nowhere"}),
                r#"parameter "peer": address "nowhere" needs a port"#,
            ),
            (
                json!({"text": "", "number": 1, "wallet": "localhost:1"}),
                r#"parameter "wallet": "localhost" is a host name"#,
            ),
        ] {
            let error = check(params).unwrap_err();
            assert_eq!(error.code, Code::InvalidParams);
            assert!(error.message.starts_with(says), "{error}");
        }
    }

    #[test]
    fn no_answer_repeats_a_long_text() {
        let long = "x".repeat(10_000);
        for name in ["name", "peer", "wallet", "target", "account", &long] {
            let error = check(json!({"text": "", "number": 1, name: &long})).unwrap_err();
            assert!(error.message.len() < 500, "{} bytes", error.message.len());
        }
    }
}
