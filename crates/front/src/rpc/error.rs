//! What a call is answered when it fails: a number for programs, and a sentence that says what to do.

use nightjar_node::handle::{ListenError, PublishError, WalletError};
use nightjar_node::store::ReadError;
use serde::Serialize;

/// The numbers: those of JSON-RPC 2.0 below zero, those of PascalCoin's own JSON-RPC above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The body is no JSON, or none that is accepted.
    Parse,
    /// JSON, but no request.
    InvalidRequest,
    /// No such method.
    MethodNotFound,
    /// A parameter is missing, unknown or wrong.
    InvalidParams,
    /// The node failed.
    Internal,
    /// No such account number.
    Account,
    /// What the call is about is not there.
    NotFound,
    /// What cannot be sent.
    CannotBeSent,
    /// Chat keys or a wallet wait for their passphrase.
    Locked,
    /// The caller may not.
    NotAllowed,
    /// More than is taken at a time.
    TooMany,
    /// The node ends.
    Stopping,
}

impl Code {
    /// Every code, in the order of the reference page.
    pub const ALL: [Self; 12] = [
        Self::Parse,
        Self::InvalidRequest,
        Self::MethodNotFound,
        Self::InvalidParams,
        Self::Internal,
        Self::Account,
        Self::NotFound,
        Self::Locked,
        Self::CannotBeSent,
        Self::NotAllowed,
        Self::TooMany,
        Self::Stopping,
    ];

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::Parse => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
            Self::Internal => -32603,
            Self::Account => 1002,
            Self::NotFound => 1010,
            Self::Locked => 1015,
            Self::CannotBeSent => 1016,
            Self::NotAllowed => 1021,
            Self::TooMany => 1022,
            Self::Stopping => 1030,
        }
    }

    /// When it comes and what to do, for the reference page.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Parse => {
                "The body is not JSON, has a member twice or is nested too deeply. Correct it where the message says."
            }
            Self::InvalidRequest => {
                "The JSON is no request, or a batch is empty or too long. The message names the member that is wrong."
            }
            Self::MethodNotFound => "There is no such method. The message names the one that is most like it.",
            Self::InvalidParams => {
                "A parameter is missing, unknown, of the wrong type or out of its range. The message names it."
            }
            Self::Internal => {
                "The node failed, as when its disk does, or a program that it asked, as your daemon. The message says which; look into its log."
            }
            Self::Account => "The account number does not exist or its checksum is wrong. Look at the number again.",
            Self::NotFound => {
                "What the call is about is not there, as a link that is not open. The message says how to get it."
            }
            Self::Locked => "The chat keys, or the wallet, are locked. Unlock them; the message says how.",
            Self::CannotBeSent => {
                "A message is too long, its lifetime impossible, its seal not to be had, or whom it is for or who signs it not certain. The message says \
                 what to do."
            }
            Self::NotAllowed => {
                "No token or a wrong one (HTTP 401), a Host or Origin that is not this server's (403), not POST (405), or a wrong passphrase or password."
            }
            Self::TooMany => "More than is taken at a time. Wait, or ask for less.",
            Self::Stopping => "The node is shutting down. Start it again.",
        }
    }
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (error {})", code.number())]
pub struct RpcError {
    /// For programs.
    pub code: Code,
    /// What happened, to which thing, and what to do next.
    pub message: String,
}

impl RpcError {
    /// An error with this sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn stopping() -> Self {
        Self::new(Code::Stopping, "the node is shutting down: start it again")
    }
}

impl Serialize for RpcError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shape<'a> {
            code: i32,
            message: &'a str,
        }
        Shape { code: self.code.number(), message: &self.message }.serialize(serializer)
    }
}

impl From<PublishError> for RpcError {
    fn from(error: PublishError) -> Self {
        let code = match &error {
            PublishError::Make(_) | PublishError::Lifetime(_) | PublishError::PlainLifetime => Code::CannotBeSent,
            PublishError::TooMany(_) => Code::TooMany,
            PublishError::Stopping => Code::Stopping,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ListenError> for RpcError {
    fn from(error: ListenError) -> Self {
        let code = match &error {
            ListenError::TooMany(_) | ListenError::TooManyLeases(_) => Code::TooMany,
            ListenError::Lease(_) => Code::InvalidParams,
            ListenError::Store(_) => Code::Internal,
            ListenError::Stopping => Code::Stopping,
        };
        Self::new(code, error.to_string())
    }
}

impl From<WalletError> for RpcError {
    fn from(error: WalletError) -> Self {
        let code = match &error {
            WalletError::NotConnected(_) => Code::NotFound,
            WalletError::TooLong { .. } => Code::CannotBeSent,
            WalletError::Busy => Code::TooMany,
            WalletError::Stopping => Code::Stopping,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ReadError> for RpcError {
    fn from(error: ReadError) -> Self {
        Self::new(Code::Internal, format!("the log of messages cannot be read: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_codes_share_a_number() {
        let mut numbers = Code::ALL.map(Code::number).to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), Code::ALL.len());
    }
}
