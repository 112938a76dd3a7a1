//! The fields of a frame's body, as both protocols write them: little-endian numbers, and texts behind their length.
//! Never knows what a field means.

use nightjar_core::fault::Fault;

/// What is left of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a>(pub(crate) &'a [u8]);

impl<'a> Body<'a> {
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(Fault::Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Fault::Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A text: its length in a u16, then its bytes.
    pub(crate) fn str(&mut self) -> Result<&'a [u8], Fault> {
        let length = usize::from(self.u16()?);
        self.bytes(length)
    }

    pub(crate) fn end(&self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::Malformed) }
    }
}

/// Writes a text with its length before it. What is written on links is cut far below 64 KiB before.
pub(crate) fn write_str(bytes: &mut Vec<u8>, text: &[u8]) {
    let length = u16::try_from(text.len()).expect("texts on a link are cut far below 64 KiB");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(text);
}
