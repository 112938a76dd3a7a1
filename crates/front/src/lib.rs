//! Ways in: JSON-RPC over HTTP. Knows the node by its handle only.

pub mod irc;
pub mod rpc;
mod token;
mod typed;
