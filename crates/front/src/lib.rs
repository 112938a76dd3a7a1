//! Ways in: JSON-RPC over HTTP, and IRC. Knows the node by its handle only.

mod accept;
mod crowd;
pub mod irc;
pub mod rpc;
mod token;
mod typed;
