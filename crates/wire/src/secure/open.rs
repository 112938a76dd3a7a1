//! OPEN, the first frame of each side: who speaks, which version, on which network.
//! Never decides what a difference means.

use nightjar_core::fault::Fault;
use nightjar_core::link::AGENT_BYTES_MAX;

use crate::body::{Body, write_str};
use crate::text::clean;

/// The version of the inner protocol that is spoken here.
pub const VERSION: u16 = 1;

/// What a side says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Version of the inner protocol.
    pub version: u16,
    /// Byte of the network.
    pub network: u8,
    /// Features it offers; those that both sides offer are in force.
    pub features: u64,
    /// The port it listens on, 0 = none.
    pub listen_port: u16,
    /// Its clock, Unix seconds.
    pub wall_s: u32,
    /// What it says it is: cut to [`AGENT_BYTES_MAX`] and cleaned.
    pub agent: String,
}

impl Open {
    pub(super) fn parse(mut body: Body<'_>) -> Result<Self, Fault> {
        Ok(Self {
            version: body.u16()?,
            network: body.u8()?,
            features: body.u64()?,
            listen_port: body.u16()?,
            wall_s: body.u32()?,
            agent: clean(body.str()?, AGENT_BYTES_MAX),
        })
    }

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.push(self.network);
        bytes.extend_from_slice(&self.features.to_le_bytes());
        bytes.extend_from_slice(&self.listen_port.to_le_bytes());
        bytes.extend_from_slice(&self.wall_s.to_le_bytes());
        write_str(bytes, clean(self.agent.as_bytes(), AGENT_BYTES_MAX).as_bytes());
    }
}
