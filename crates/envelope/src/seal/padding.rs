//! Padding: a sealed body does not tell how long its message is. The smallest of few sizes is filled up with zeros.

use super::SealFault;
use nightjar_core::record::BODY_BYTES_MAX;

use crate::fragment::{CHUNK_BYTES, PARTS_MAX};

/// The smallest body of a sealed message: most of what people say to each other fits.
const SMALL_BODY_BYTES: usize = 160;

/// Fills an inner body up, so that with `overhead` bytes around it the whole has one of the few sizes: 160, 239, or a multiple of 210.
pub fn pad(mut inner: Vec<u8>, overhead: usize) -> Result<Vec<u8>, SealFault> {
    let bytes = inner.len() + overhead;
    let size = size_for(bytes).ok_or(SealFault::TooLong { bytes, limit: PARTS_MAX * CHUNK_BYTES })?;
    inner.resize(size - overhead, 0);
    Ok(inner)
}

/// The smallest size of a body that holds so many bytes.
fn size_for(bytes: usize) -> Option<usize> {
    let many = || bytes.div_ceil(CHUNK_BYTES) * CHUNK_BYTES;
    [SMALL_BODY_BYTES, BODY_BYTES_MAX].into_iter().find(|size| bytes <= *size).or_else(|| {
        let size = many();
        (size <= PARTS_MAX * CHUNK_BYTES).then_some(size)
    })
}

/// Whether what stands behind a message is padding. A reader looks at the zeros, not at the size.
pub fn is_padding(rest: &[u8]) -> bool {
    rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn a_body_has_one_of_few_sizes() {
        let body = |inner: usize, overhead: usize| pad(vec![1; inner], overhead).map(|padded| padded.len() + overhead);
        assert_eq!(body(0, 33), Ok(160));
        assert_eq!(body(127, 33), Ok(160));
        assert_eq!(body(128, 33), Ok(239));
        assert_eq!(body(206, 33), Ok(239));
        assert_eq!(body(207, 33), Ok(420));
        assert_eq!(body(387, 33), Ok(420));
        assert_eq!(body(388, 33), Ok(630));
        assert_eq!(body(65_520 - 33, 33), Ok(65_520));
        assert_eq!(body(65_520 - 32, 33), Err(SealFault::TooLong { bytes: 65_521, limit: 65_520 }));
    }

    #[test]
    fn padding_is_zeros_and_nothing_else() {
        let padded = pad(vec![1, 2], 10).unwrap();
        assert!(is_padding(padded.get(2..).unwrap()) && is_padding(&[]));
        assert!(!is_padding(&[0, 0, 1]));
    }
}
