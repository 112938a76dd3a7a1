//! HELLO, by which two PascalCoin nodes get to know each other. Never claims a block: this node has no chain.

use nightjar_core::address::{Address, Host, LinkKind, PASCAL_PORT_MAIN};
use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::link::AGENT_BYTES_MAX;
use nightjar_core::time::Wall;
use nightjar_pasc::key::{NULL_KEY_RAW, PublicKey};

use crate::body::{Body, write_str};
use crate::text::clean;

/// Addresses in a HELLO that are looked at; a daemon sends and takes so many.
pub const SERVERS_MAX: usize = 10;
/// An address whose last contact is longer ago is not looked at.
pub const SERVER_AGE_S_MAX: u32 = 3 * 60 * 60;

/// The marker of a block of which only the header follows.
const BLOCK_HEADER_ONLY: u8 = 3;
/// From this version of blocks on, the proof of work before is part of the header.
const BLOCK_PROTOCOL_WITH_PREVIOUS: u16 = 5;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Port of its own server, 0 = none.
    pub server_port: u16,
    /// Its key, by which texts for its user are sealed. Random for each process.
    pub key: PublicKey,
    /// Its clock, Unix seconds.
    pub wall_s: u32,
    /// Number of its last block. What we write is always 0.
    pub block: u32,
    /// Other nodes it knows, the first [`SERVERS_MAX`] of them. What we write has none.
    pub servers: Vec<Server>,
    /// What it says it is: cut to [`AGENT_BYTES_MAX`] and cleaned.
    pub agent: String,
}

/// Where a node says that another one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Address or name, as text.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// When there was contact, Unix seconds.
    pub last_contact_s: u32,
}

impl Hello {
    /// Reads the data of a HELLO. It may end behind the block, and anything may follow.
    pub fn parse(data: &[u8]) -> Result<Self, Fault> {
        let mut body = Body(data);
        let server_port = body.u16()?;
        let (key, _) = PublicKey::parse_raw(body.str()?).map_err(|_| Fault::Malformed)?;
        let wall_s = body.u32()?;
        let block = parse_block(&mut body)?;
        let servers = parse_servers(&mut body).unwrap_or_default();
        let agent = clean(body.str().unwrap_or_default(), AGENT_BYTES_MAX);
        Ok(Self { server_port, key, wall_s, block, servers, agent })
    }

    /// The data of the HELLO of a node without a chain: block 0, no work, an empty hash rate, nobody else's address.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(192);
        bytes.extend_from_slice(&self.server_port.to_le_bytes());
        write_str(&mut bytes, &self.key.to_raw());
        bytes.extend_from_slice(&self.wall_s.to_le_bytes());
        write_no_block(&mut bytes);
        bytes.extend_from_slice(&0u32.to_le_bytes());
        write_str(&mut bytes, clean(self.agent.as_bytes(), AGENT_BYTES_MAX).as_bytes());
        // Claimed work would make a daemon ask for blocks, and ban who has none.
        bytes.extend_from_slice(&0u64.to_le_bytes());
        write_str(&mut bytes, &[]);
        bytes
    }

    /// The addresses in it that a daemon would believe: the network's own port, heard of lately, not this machine.
    pub fn addresses(&self, network: Network, now: Wall) -> Vec<Address> {
        let fresh = |server: &&Server| {
            let now_s = now.unix_s();
            server.last_contact_s > 0
                && server.last_contact_s <= now_s
                && now_s - server.last_contact_s <= SERVER_AGE_S_MAX
                && server.port == default_port(network)
        };
        self.servers.iter().filter(fresh).filter_map(Server::address).collect()
    }
}

impl Server {
    fn address(&self) -> Option<Address> {
        let host: Host = self.host.parse().ok()?;
        let here = match &host {
            Host::Ip(ip) => ip.is_loopback() || ip.is_unspecified(),
            Host::Name(name) => name == "localhost",
        };
        (!here).then_some(Address { kind: LinkKind::Pascal, host, port: self.port })
    }
}

/// The port that PascalCoin nodes of a network listen on; they believe no other.
pub const fn default_port(network: Network) -> u16 {
    match network {
        Network::Main => PASCAL_PORT_MAIN,
        Network::Test => 4204,
    }
}

/// The number of the block.
fn parse_block(body: &mut Body<'_>) -> Result<u32, Fault> {
    if body.u8()? != BLOCK_HEADER_ONLY {
        return Err(Fault::Malformed);
    }
    let protocol = body.u16()?;
    body.u16()?;
    let number = body.u32()?;
    body.str()?;
    // Reward and fee; timestamp, target and nonce.
    body.bytes(2 * 8 + 3 * 4)?;
    // Payload, the hashes of safebox and operations, proof of work.
    let texts = if protocol >= BLOCK_PROTOCOL_WITH_PREVIOUS { 5 } else { 4 };
    for _ in 0..texts {
        body.str()?;
    }
    Ok(number)
}

fn write_no_block(bytes: &mut Vec<u8>) {
    bytes.push(BLOCK_HEADER_ONLY);
    // Protocol 1, nothing available, number 0.
    bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    write_str(bytes, &NULL_KEY_RAW);
    bytes.extend_from_slice(&[0; 2 * 8 + 3 * 4]);
    for _ in 0..4 {
        write_str(bytes, &[]);
    }
}

fn parse_servers(body: &mut Body<'_>) -> Result<Vec<Server>, Fault> {
    let mut servers = Vec::new();
    for _ in 0..body.u32()? {
        let host = body.str()?;
        let (port, last_contact_s) = (body.u16()?, body.u32()?);
        if servers.len() < SERVERS_MAX {
            let host = clean(host, nightjar_core::address::HOST_BYTES_MAX);
            servers.push(Server { host, port, last_contact_s });
        }
    }
    Ok(servers)
}
