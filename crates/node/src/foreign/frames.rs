//! PascalCoin's frames once more, read as strictly as a daemon reads them. Shares nothing with the reader of the links.

use nightjar_core::chain::Network;

pub(super) const HEADER_BYTES: usize = 22;

pub(super) const REQUEST: u16 = 1;
pub(super) const RESPONSE: u16 = 2;
pub(super) const AUTOSEND: u16 = 3;

/// One whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) transfer: u16,
    pub(super) operation: u16,
    pub(super) error: u16,
    pub(super) id: u32,
    pub(super) version: u16,
    pub(super) data: Vec<u8>,
}

/// Why bytes are no frame, as a daemon's log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid(pub(super) &'static str);

impl Frame {
    pub(super) fn request(operation: u16, id: u32, data: Vec<u8>) -> Self {
        Self { transfer: REQUEST, operation, error: 0, id, version: 14, data }
    }

    pub(super) fn response(to: &Self, error: u16, data: Vec<u8>) -> Self {
        Self { transfer: RESPONSE, operation: to.operation, error, id: to.id, version: 14, data }
    }

    pub(super) fn autosend(operation: u16, error: u16, data: Vec<u8>) -> Self {
        Self { transfer: AUTOSEND, operation, error, id: 0, version: 14, data }
    }

    /// Takes the first frame out of the buffer; `None` while it is not whole.
    pub(super) fn take(network: Network, buffer: &mut Vec<u8>) -> Result<Option<Self>, Invalid> {
        let Some(header) = buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let mut fields = Fields(header);
        if fields.take(4) != Some(&magic(network)) {
            return Err(Invalid("Invalid data received in buffer"));
        }
        let mut number = || fields.u16().unwrap_or_default();
        let (transfer, operation, error) = (number(), number(), number());
        let id = u32::from(number()) | u32::from(number()) << 16;
        let version = number();
        // What the sender could speak only shows a notice to a user.
        number();
        let length = usize::from(number()) | usize::from(number()) << 16;
        if !(REQUEST..=AUTOSEND).contains(&transfer) {
            return Err(Invalid("Invalid data received in buffer"));
        }
        if version > 15 {
            return Err(Invalid("Invalid Net protocol version found"));
        }
        let Some(data) = buffer.get(HEADER_BYTES..HEADER_BYTES + length) else { return Ok(None) };
        let data = data.to_vec();
        buffer.drain(..HEADER_BYTES + length);
        Ok(Some(Self { transfer, operation, error, id, version, data }))
    }

    pub(super) fn bytes(&self, network: Network) -> Vec<u8> {
        let mut bytes = magic(network).to_vec();
        for field in [self.transfer, self.operation, self.error] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(self.id.to_le_bytes());
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(15u16.to_le_bytes());
        bytes.extend(u32::try_from(self.data.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(&self.data);
        bytes
    }
}

fn magic(network: Network) -> [u8; 4] {
    match network {
        Network::Main => 0x0a04_3580_u32.to_le_bytes(),
        Network::Test => 0x0500_0005_u32.to_le_bytes(),
    }
}

/// Fields that are read one after the other; `None` where the bytes end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }
}

/// A text behind its length; what is too long for that is cut.
pub(super) fn text(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut text = length.to_le_bytes().to_vec();
    text.extend(bytes.iter().take(length.into()));
    text
}
