//! The X25519 forms of chat keys (RFC 7748, by the birational map of its section 4.1): seals need them, signatures do not.

use curve25519_dalek::scalar::clamp_integer;
use ed25519_dalek::VerifyingKey;
use hpke::Deserializable as _;
use hpke::kem::{Kem, X25519HkdfSha256};
use zeroize::Zeroizing;

use super::SealFault;
use crate::key::{ChatKey, ChatSecret};

pub(super) type Suite = X25519HkdfSha256;
pub(super) type Public = <Suite as Kem>::PublicKey;
pub(super) type Private = <Suite as Kem>::PrivateKey;

/// The public form; refused for a key with a part of small order, which could make a secret that everybody knows.
pub(super) fn public(key: &ChatKey) -> Result<Public, SealFault> {
    let point = safe(key)?;
    Ok(Public::from_bytes(&point.to_montgomery().to_bytes()).expect("an X25519 key is any 32 bytes"))
}

/// The secret form.
pub(super) fn private(secret: &ChatSecret) -> Private {
    Private::from_bytes(scalar(secret).as_slice()).expect("an X25519 secret is any 32 bytes")
}

/// What only these two can compute.
pub(super) fn shared(own: &ChatSecret, other: &ChatKey) -> Result<Zeroizing<[u8; 32]>, SealFault> {
    let point = safe(other)?.to_montgomery();
    let secret = Zeroizing::new(point.mul_clamped(*scalar(own)).to_bytes());
    // Impossible for a key that passed; a secret of zeros is none, whatever the reason.
    if secret.iter().all(|byte| *byte == 0) { Err(SealFault::Torsion) } else { Ok(secret) }
}

fn safe(key: &ChatKey) -> Result<VerifyingKey, SealFault> {
    let point = key.verifying();
    if point.to_edwards().is_torsion_free() { Ok(point) } else { Err(SealFault::Torsion) }
}

fn scalar(secret: &ChatSecret) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(clamp_integer(secret.signing().to_scalar_bytes()))
}
