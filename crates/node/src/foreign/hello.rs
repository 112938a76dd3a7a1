//! HELLO as a daemon writes it, and as strictly as it reads it.

use nightjar_core::time::Wall;
use nightjar_pasc::key::PublicKey;

use super::frames::{Fields, text};

/// What a daemon looks at in a HELLO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) server_port: u16,
    pub(super) key: PublicKey,
    pub(super) wall_s: u32,
    pub(super) block: u32,
    pub(super) work: u64,
}

impl Hello {
    /// Reads one, or says what a daemon's log would.
    pub(super) fn parse(data: &[u8]) -> Result<Self, &'static str> {
        let mut fields = Fields(data);
        let (server_port, key, wall_s) =
            (|| Some((fields.u16()?, fields.text()?, fields.u32()?)))().ok_or("Invalid data on buffer")?;
        let (key, _) = PublicKey::parse_raw(key).map_err(|_| "Invalid Public key")?;
        let block = parse_block(&mut fields).ok_or("Error decoding operations of HELLO")?;
        // It may end here.
        let work = parse_rest(&mut fields).unwrap_or_default();
        Ok(Self { server_port, key, wall_s, block, work })
    }

    /// The HELLO of a daemon without blocks.
    pub(super) fn write(
        now: Wall,
        server_port: u16,
        key: &PublicKey,
        servers: &[(String, u16)],
        version: &str,
    ) -> Vec<u8> {
        let mut data = server_port.to_le_bytes().to_vec();
        data.extend(text(&key.to_raw()));
        data.extend(now.unix_s().to_le_bytes());
        // A block's header, protocol 0, number 0.
        data.extend([3, 0, 0, 0, 0, 0, 0, 0, 0]);
        data.extend(text(&[0; 6]));
        data.extend([0; 28]);
        data.extend(text(&[]));
        data.extend(text(&[0xa0; 32]));
        data.extend(text(&[]));
        data.extend(text(&[]));
        data.extend(u32::try_from(servers.len()).unwrap_or_default().to_le_bytes());
        for (host, port) in servers {
            data.extend(text(host.as_bytes()));
            data.extend(port.to_le_bytes());
            data.extend(now.unix_s().to_le_bytes());
        }
        data.extend(text(version.as_bytes()));
        data.extend(0u64.to_le_bytes());
        data.extend(text(&[]));
        data
    }
}

/// The number of the block.
fn parse_block(fields: &mut Fields<'_>) -> Option<u32> {
    if fields.u8()? != 3 {
        return None;
    }
    let protocol = fields.u16()?;
    fields.u16()?;
    let number = fields.u32()?;
    fields.text()?;
    fields.take(8 + 8 + 4 + 4 + 4)?;
    for _ in 0..if protocol >= 5 { 5 } else { 4 } {
        fields.text()?;
    }
    Some(number)
}

/// The work it claims.
fn parse_rest(fields: &mut Fields<'_>) -> Option<u64> {
    for _ in 0..fields.u32()? {
        fields.text()?;
        fields.take(6)?;
    }
    fields.text()?;
    let work = fields.u64()?;
    // The hash rate, aggregated: anything in it is work as well.
    let hash_rate = fields.text().unwrap_or_default();
    Some(work.max(u64::from(hash_rate.iter().any(|byte| *byte != 0))))
}
