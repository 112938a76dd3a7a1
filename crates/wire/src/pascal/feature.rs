//! The feature record, by which PIP-0038 nodes know each other on a PascalCoin link: in the request 0x1038 that asks
//! for it, and in the answer. Never proof of anything: whoever gives it may have copied it.

use nightjar_core::link::NodeKey;

use crate::body::{Body, write_str};

/// The record begins with it.
pub const FEATURE_MARK: &[u8; 5] = b"PIP38";
/// The version that is written here.
pub const FEATURE_VERSION: u16 = 1;

/// What a PIP-0038 node says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feature {
    /// Port of its TLS listener, 0 = none that it tells.
    pub tls_port: u16,
    /// Its node key, if it tells it.
    pub node_key: Option<NodeKey>,
}

impl Feature {
    /// What a node says that does not listen on a public address: nothing that would let it be known again.
    pub const HIDDEN: Self = Self { tls_port: 0, node_key: None };

    /// The record in the data of a probe or of its answer; `None` if it does not begin like one. What is cut off is
    /// taken as not said, and what follows is for later versions.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let mut body = Body(data.strip_prefix(FEATURE_MARK)?);
        let whole = (|| {
            body.u16()?;
            let tls_port = body.u16()?;
            let node_key = body.str()?.try_into().ok().map(NodeKey);
            Ok::<_, nightjar_core::fault::Fault>(Self { tls_port, node_key })
        })();
        Some(whole.unwrap_or(Self::HIDDEN))
    }

    /// The record's bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = FEATURE_MARK.to_vec();
        bytes.extend_from_slice(&FEATURE_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.tls_port.to_le_bytes());
        let key = self.node_key.map_or_else(Vec::new, |key| key.0.to_vec());
        write_str(&mut bytes, &key);
        bytes
    }
}
