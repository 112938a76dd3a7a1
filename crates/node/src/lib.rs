//! What does: the one loop, links to peers, store, keys and configuration of a Nightjar node.

pub mod clock;
pub mod link;
pub mod message;
