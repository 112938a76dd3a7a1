//! What the tests share: the captured vectors and the curves of this build.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::Path;

use nightjar_pasc::key::Curve;
use serde::de::DeserializeOwned;

/// A file of `tests/vectors`: what daemons said, and what they accepted.
pub(crate) fn vectors<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd number of hex digits");
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A private scalar of the vectors, which leave out a leading zero digit too.
pub(crate) fn scalar(text: &str) -> Vec<u8> {
    let even = text.len().next_multiple_of(2);
    unhex(&format!("{text:0>even$}"))
}

/// The curves this build computes with. Three, or four with the feature: were one missing by mistake, the tests would say nothing.
pub(crate) fn supported() -> Vec<Curve> {
    let curves: Vec<Curve> = Curve::ALL.into_iter().filter(|curve| curve.is_supported()).collect();
    assert_eq!(curves.len(), if cfg!(feature = "sect283k1") { 4 } else { 3 });
    curves
}

/// The order of the base point (SEC 2, version 2.0); all four are odd.
pub(crate) fn order(curve: Curve) -> Vec<u8> {
    unhex(match curve {
        Curve::Secp256k1 => "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        Curve::Secp384r1 => {
            "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"
        }
        Curve::Secp521r1 => {
            "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409"
        }
        Curve::Sect283k1 => "01ffffffffffffffffffffffffffffffffffe9ae2ed07577265dff7f94451e061e163c61",
    })
}
