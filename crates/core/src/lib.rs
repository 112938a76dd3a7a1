//! What decides in Nightjar: records, names, limits and the router.
//!
//! Nothing in this crate opens a socket, reads a clock, touches a disk, starts a thread or draws
//! chance of its own: time, addresses and randomness come in as values, things to do come out.

pub mod address;
pub mod chain;
pub mod fault;
pub mod item;
pub mod link;
pub mod name;
pub mod reconcile;
pub mod record;
pub mod router;
pub mod seen;
pub mod time;
