//! The HPKE that direct seals are made with is that of RFC 9180: both modes that they use give the bytes of its Appendix A.2.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test may fail loudly")]

use std::convert::Infallible;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem, X25519HkdfSha256};
use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _, setup_receiver, setup_sender_with_rng};
use rand_core::{TryCryptoRng, TryRng};
use serde::Deserialize;

type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Encapped = <X25519HkdfSha256 as Kem>::EncappedKey;

#[derive(Deserialize)]
struct File {
    info: String,
    pt: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[allow(non_snake_case, reason = "the names are the RFC's")]
struct Vector {
    section: String,
    mode: String,
    ikmE: String,
    pkRm: String,
    skRm: String,
    pkSm: Option<String>,
    skSm: Option<String>,
    enc: String,
    encryptions: Vec<Encryption>,
    exports: Vec<Export>,
}

#[derive(Deserialize)]
struct Encryption {
    sequence: u32,
    ct: String,
}

#[derive(Deserialize)]
struct Export {
    exporter_context: String,
    exported_value: String,
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn private(text: &str) -> Private {
    Private::from_bytes(&unhex(text)).unwrap()
}

fn public(text: &str) -> Public {
    Public::from_bytes(&unhex(text)).unwrap()
}

/// Gives out the bytes of which the RFC made its ephemeral key, once.
struct Given(Vec<u8>);

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.0);
        self.0.clear();
        Ok(())
    }
}

impl TryCryptoRng for Given {}

#[test]
fn both_modes_seal_and_open_the_bytes_of_the_rfc() {
    let file: File = serde_json::from_str(include_str!("vectors/hpke_rfc9180.json")).unwrap();
    let (info, text) = (unhex(&file.info), unhex(&file.pt));
    let modes: Vec<_> = file.vectors.iter().map(|vector| vector.mode.as_str()).collect();
    assert_eq!(modes, ["base", "auth"]);
    for vector in &file.vectors {
        let section = &vector.section;
        let own = private(&vector.skRm);
        assert_eq!(X25519HkdfSha256::sk_to_pk(&own).to_bytes().as_slice(), unhex(&vector.pkRm), "{section}");
        let sender = vector.skSm.as_deref().zip(vector.pkSm.as_deref());
        let sender = sender.map(|(secret, key)| (private(secret), public(key)));
        assert_eq!(sender.is_some(), vector.mode == "auth");
        let from = sender.clone().map_or(OpModeS::Base, OpModeS::Auth);
        let by = sender.map_or(OpModeR::Base, |(_, key)| OpModeR::Auth(key));

        let mut rng = Given(unhex(&vector.ikmE));
        let (enc, mut seals) = setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &from,
            &public(&vector.pkRm),
            &info,
            &mut rng,
        )
        .unwrap();
        assert_eq!(enc.to_bytes().as_slice(), unhex(&vector.enc), "{section}");
        let enc = Encapped::from_bytes(&unhex(&vector.enc)).unwrap();
        let mut opens =
            setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(&by, &own, &enc, &info).unwrap();

        let mut seen = 0;
        for sequence in 0..=256 {
            let aad = format!("Count-{sequence}");
            let sealed = seals.seal(&text, aad.as_bytes()).unwrap();
            if let Some(expected) = vector.encryptions.iter().find(|it| it.sequence == sequence) {
                assert_eq!(sealed, unhex(&expected.ct), "{section}, {sequence}");
                seen += 1;
            }
            assert_eq!(opens.open(&sealed, aad.as_bytes()).unwrap(), text, "{section}, {sequence}");
        }
        assert_eq!((seen, vector.encryptions.len()), (6, 6));

        assert_eq!(vector.exports.len(), 3);
        for export in &vector.exports {
            let mut value = [0; 32];
            opens.export(&unhex(&export.exporter_context), &mut value).unwrap();
            assert_eq!(value.as_slice(), unhex(&export.exported_value), "{section}");
        }
    }
}
