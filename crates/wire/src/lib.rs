//! Bytes to items and back: one [`session::Session`] per protocol. Never a socket, never a policy.

pub mod secure;
pub mod session;
mod text;
