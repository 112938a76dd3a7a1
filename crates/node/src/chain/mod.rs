//! What the chain says of accounts, and so of those who claim to own one.

pub mod daemon;
pub mod standing;
pub mod view;
pub mod wire;
