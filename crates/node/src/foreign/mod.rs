//! Peers that are not Nightjar, for the demonstration and for tests: a program that implements only PIP-0038's text, one
//! that behaves as an unmodified PascalCoin daemon, and such a daemon's JSON-RPC with its wallet. They share no code with the links they are to judge.
//! Never part of a node.

mod accounts;
mod daemon;
mod frames;
mod hello;
mod limits;
mod literal;
mod wallet;

pub use self::daemon::{DaemonCounters, DaemonOptions, UnmodifiedDaemon};
pub use self::literal::{LiteralCounters, LiteralPeer};
pub use self::wallet::{Manner, WalletAccount, WalletDaemon};
