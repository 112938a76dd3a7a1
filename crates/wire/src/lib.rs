//! Bytes to items and back: one [`session::Session`] per protocol. Never a socket, never a policy.

mod body;
mod intake;
pub mod pascal;
pub mod secure;
pub mod session;
mod text;
