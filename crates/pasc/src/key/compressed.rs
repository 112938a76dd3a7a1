//! The compressed SEC1 form of a public key: short, and one for each point. Not a form of the daemon's keys, which carry both coordinates.

use super::{Curve, PointError, PublicKey, Unsupported};

/// `02` or `03`, then x with its leading zeros: 33, 49, 67 or 37 bytes. On the prime curves the first byte has the lowest bit of y, on
/// sect283k1 that of y/x.
impl PublicKey {
    /// Reads the compressed form of a point. The key gets minimal coordinates, as a daemon writes them.
    ///
    /// Unlike the raw form this one cannot be read without computing with it, so the key that comes out is a point of its curve.
    pub fn from_compressed(curve: Curve, point: &[u8]) -> Result<Self, CompressedPointError> {
        let wanted = 1 + curve.field_bytes();
        if point.len() != wanted {
            return Err(CompressedPointError::Length { curve, wanted, got: point.len() });
        }
        // SEC1 knows another form of this length, and the point at infinity.
        if !matches!(point.first(), Some(2 | 3)) {
            return Err(CompressedPointError::NotCompressed);
        }
        let point = curve.group()?.uncompress(point).ok_or(CompressedPointError::Invalid(curve))?;
        Ok(Self::from_sec1(curve, &point))
    }

    /// The compressed form of the key's point, the same for a key with leading zeros in its coordinates and one without.
    pub fn to_compressed(&self) -> Result<Vec<u8>, PointError> {
        let group = self.curve.group()?;
        let point = self.to_sec1().ok_or(PointError::Invalid(self.curve))?;
        group.compress(&point).ok_or(PointError::Invalid(self.curve))
    }
}

/// Why bytes are no compressed point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressedPointError {
    /// The point may be valid; this build cannot tell.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// Not as long as a compressed point of the curve.
    #[error(
        "a compressed point of the curve {curve} has {wanted} bytes, here are {got}: it is cut, or of another curve"
    )]
    Length {
        /// The curve.
        curve: Curve,
        /// What its points take.
        wanted: usize,
        /// What is there.
        got: usize,
    },
    /// The first byte is neither 02 nor 03.
    #[error("the point does not begin with 02 or 03: it is not in compressed form")]
    NotCompressed,
    /// No point of the curve's group has this x coordinate.
    #[error("the compressed point is no point of its curve {0}: it is damaged, or of another curve")]
    Invalid(Curve),
}
