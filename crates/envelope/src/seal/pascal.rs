//! PascalCoin's own seals (forms 06 and 07): a text that an unmodified wallet opens. Neither says who wrote it, and what is inside can
//! be changed on the way without anybody noticing: such a text is shown as not authenticated.

use nightjar_pasc::key::{PrivateKey, PublicKey};
use nightjar_pasc::{aes_form, ecies};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::SealFault;
use crate::form;

/// Seals a text for the key of an account (form 06).
pub fn seal_for_key(to: &PublicKey, text: &str, rng: &mut impl CryptoRng) -> Result<Vec<u8>, SealFault> {
    let container = ecies::seal(to, text.as_bytes(), rng)?;
    Ok([&[form::PASCAL], container.as_slice()].concat())
}

/// The text of form 06.
pub fn open_with_key(key: &PrivateKey, body: &[u8]) -> Option<String> {
    let ([form::PASCAL], container) = body.split_first_chunk::<1>()? else { return None };
    let bytes = Zeroizing::new(ecies::open(key, container).ok()?);
    text(&bytes)
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// Seals a text with a password (form 07).
pub fn seal_with_password(password: &str, text: &str, rng: &mut impl CryptoRng) -> Vec<u8> {
    let container = aes_form::seal(password.as_bytes(), text.as_bytes(), rng);
    [&[form::AES], container.as_slice()].concat()
}

/// The text of form 07. Of all wrong passwords one in 256 opens something, which then is hardly ever text.
pub fn open_with_password(password: &str, body: &[u8]) -> Option<String> {
    let ([form::AES], container) = body.split_first_chunk::<1>()? else { return None };
    text(&aes_form::open(password.as_bytes(), container)?)
}
