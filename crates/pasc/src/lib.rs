//! PascalCoin's own formats as values: account numbers, E-PASA, keys, signatures, ECIES envelopes, wallet files. Pure: bytes in, bytes out;
//! it never opens a socket or file, reads a clock or draws a random number that was not handed in.
//!
//! Source: the behaviour of PascalCoin daemons, written down in `docs/wire/pascalcoin-formats.md`; the tests hold data captured
//! from one.
//!
//! Keys of the curve sect283k1 are read, compared and written by every build. Computing with them needs OpenSSL, behind the
//! feature `sect283k1`; without it they are reported as unsupported by this build ([`key::Unsupported`]), never as invalid.

pub mod account;
pub mod aes_form;
mod curve;
pub mod ecies;
pub mod epasa;
pub mod key;
pub mod signature;
pub mod wallet_file;

pub use k256::elliptic_curve::rand_core;
