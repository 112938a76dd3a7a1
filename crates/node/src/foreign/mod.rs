//! Peers that are not Nightjar, for the demonstration and for tests: a program that implements only PIP-0038's text, and
//! one that behaves as an unmodified PascalCoin daemon. They share no code with the links they are to judge.
//! Never part of a node.

mod accounts;
mod daemon;
mod frames;
mod hello;
mod limits;
mod literal;

pub use self::daemon::{DaemonCounters, DaemonOptions, UnmodifiedDaemon};
pub use self::literal::{LiteralCounters, LiteralPeer};
