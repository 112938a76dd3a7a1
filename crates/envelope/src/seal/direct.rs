//! The seal of a first contact (form 04): for the holder of a chat key, who learns from it who wrote. HPKE (RFC 9180), DHKEM(X25519,
//! HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, single shot.

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::Kem;
use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _, setup_receiver, setup_sender_with_rng};
use nightjar_core::chain::Network;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::padding::pad;
use super::x25519::{self, Private, Public, Suite};
use super::{SealFault, TAG_BYTES, network_byte};
use crate::Place;
use crate::form;
use crate::key::{ChatKey, ChatSecret};

const DOMAIN: &[u8] = b"PIP38 hpke v1\0";
/// Bytes of the key that each sealing makes anew.
pub(super) const ENC_BYTES: usize = 32;
/// Bytes of the sender's key under its seal.
const SENDER_BYTES: usize = 32 + TAG_BYTES;
/// Bytes around the inner body.
const OVERHEAD: usize = 1 + ENC_BYTES + SENDER_BYTES + ENC_BYTES + TAG_BYTES;

/// Which of the seals: they cannot stand for each other.
#[derive(Clone, Copy)]
pub(super) struct Step {
    form: u8,
    step: u8,
}

impl Step {
    /// Who writes.
    const SENDER: Self = Self { form: form::FIRST, step: b'A' };
    /// What.
    const CONTENT: Self = Self { form: form::FIRST, step: b'B' };
    pub(super) const PAIR: Self = Self { form: form::PAIR, step: b'B' };

    fn info(self, network: Network) -> Vec<u8> {
        [DOMAIN, &network_byte(network), &[self.form, self.step]].concat()
    }
}

/// Seals an inner body for somebody who does not know us yet.
pub fn seal(
    sender: &ChatSecret,
    recipient: &ChatKey,
    place: &Place,
    inner: Vec<u8>,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, SealFault> {
    let text = Zeroizing::new(pad(inner, OVERHEAD)?);
    let to = x25519::public(recipient)?;
    let public = sender.public();
    let own = (&x25519::private(sender), &x25519::public(&public)?);
    let head = seal_from(None, &to, place, Step::SENDER, &[form::FIRST], public.as_bytes(), rng);
    Ok(seal_from(Some(own), &to, place, Step::CONTENT, &head, &text, rng))
}

/// Who wrote, and the inner body with its padding.
pub fn open(recipient: &ChatSecret, place: &Place, body: &[u8]) -> Option<(ChatKey, Zeroizing<Vec<u8>>)> {
    let (head, sealed) = body.split_at_checked(1 + ENC_BYTES + SENDER_BYTES)?;
    let ([form::FIRST], sender) = head.split_first_chunk::<1>()? else { return None };
    let own = x25519::private(recipient);
    let sender = open_from(&own, None, place, Step::SENDER, &[form::FIRST], sender)?;
    let sender = ChatKey::from_bytes(*sender.first_chunk()?)?;
    let from = x25519::public(&sender).ok()?;
    let inner = open_from(&own, Some(&from), place, Step::CONTENT, head, sealed)?;
    Some((sender, inner))
}

/// What stands in the body so far, the key that is made, what is sealed with it.
pub(super) fn seal_from(
    sender: Option<(&Private, &Public)>,
    to: &Public,
    place: &Place,
    step: Step,
    head: &[u8],
    text: &[u8],
    rng: &mut impl CryptoRng,
) -> Vec<u8> {
    let mode = sender.map_or(OpModeS::Base, |(secret, public)| OpModeS::Auth((secret.clone(), public.clone())));
    let setup = setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, Suite>;
    let (enc, mut context) =
        setup(&mode, to, &step.info(place.network), rng).expect("keys without a part of small order make a secret");
    let mut body = [head, &enc.to_bytes()].concat();
    let sealed = context.seal(text, &associated(place, &body)).expect("one message is fewer than the context seals");
    body.extend(sealed);
    body
}

pub(super) fn open_from(
    own: &Private,
    sender: Option<&Public>,
    place: &Place,
    step: Step,
    head: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (enc, text) = sealed.split_first_chunk::<ENC_BYTES>()?;
    let mode = sender.map_or(OpModeR::Base, |public| OpModeR::Auth(public.clone()));
    let key = <Suite as Kem>::EncappedKey::from_bytes(enc).ok()?;
    let setup = setup_receiver::<ChaCha20Poly1305, HkdfSha256, Suite>;
    let mut context = setup(&mode, own, &key, &step.info(place.network)).ok()?;
    context.open(text, &associated(place, &[head, enc].concat())).ok().map(Zeroizing::new)
}

/// Where the body stands, and all of it up to what is sealed.
fn associated(place: &Place, body: &[u8]) -> Vec<u8> {
    [place.target.0.as_slice(), &place.expiry.to_le_bytes(), body].concat()
}
