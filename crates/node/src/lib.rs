//! What does: the one loop, links to peers, store, keys and configuration of a Nightjar node.

pub mod backup;
pub mod chain;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod engine;
pub mod foreign;
pub mod handle;
pub mod identity;
pub mod link;
pub mod message;
pub mod post;
mod private_file;
pub mod prove;
pub mod seen_file;
pub mod store;
pub mod verify;
pub mod window;
pub mod work;
