//! No bytes upset the opener of ECIES envelopes, and nothing that was changed opens as another text.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use nightjar_pasc::ecies::{open, seal_with_ephemeral};
use nightjar_pasc::key::{Curve, PrivateKey};

const CURVES: [Curve; 3] = [Curve::Secp256k1, Curve::Secp384r1, Curve::Secp521r1];

#[test]
fn envelope() {
    let keys = CURVES.map(|curve| PrivateKey::from_scalar(curve, &[7; 32]).unwrap());
    bolero::check!().with_iterations(500).for_each(|bytes: &[u8]| {
        for key in &keys {
            assert!(open(key, bytes).is_err());
        }
    });
}

/// Random bytes behind a header that fits them, so that point and MAC are looked at as well.
#[test]
fn framed_envelope() {
    let keys = CURVES.map(|curve| PrivateKey::from_scalar(curve, &[7; 32]).unwrap());
    bolero::check!().with_type::<(u8, [u8; 32], u8)>().with_iterations(500).for_each(|(curve, bytes, text)| {
        let key = &keys[usize::from(*curve) % keys.len()];
        let point = 1 + key.curve().field_bytes();
        let body = usize::from(*text).next_multiple_of(16);
        let mut envelope = vec![point as u8, 16, *text, 0];
        envelope.extend((body as u16).to_le_bytes());
        envelope.push(2 | bytes[0] & 1);
        envelope.resize(6 + point - bytes.len(), 0);
        envelope.extend(bytes);
        envelope.resize(6 + point + 16 + body, *curve);
        assert!(open(key, &envelope).is_err());
    });
}

#[test]
fn changed_envelope() {
    let sealed = CURVES.map(|curve| {
        let key = PrivateKey::from_scalar(curve, &[7; 32]).unwrap();
        let ephemeral = PrivateKey::from_scalar(curve, &[9; 32]).unwrap();
        let envelope = seal_with_ephemeral(&key.public_key(), TEXT, &ephemeral).unwrap();
        (key, envelope)
    });
    bolero::check!().with_type::<(u8, u16, Vec<u8>, bool)>().with_iterations(500).for_each(
        |(curve, place, bytes, cut)| {
            let (key, envelope) = &sealed[usize::from(*curve) % sealed.len()];
            let mut changed = envelope.clone();
            let place = usize::from(*place) % changed.len();
            for (old, new) in changed[place..].iter_mut().zip(bytes) {
                *old = *new;
            }
            if *cut {
                changed.truncate(place);
            }
            if let Ok(text) = open(key, &changed) {
                // The length is outside the MAC: zeros may join at the end, nothing else may change.
                assert_eq!(&text[..TEXT.len()], TEXT);
                assert!(text[TEXT.len()..].iter().all(|&byte| byte == 0));
            }
        },
    );
}

const TEXT: &[u8] = b"seventeen letters";
