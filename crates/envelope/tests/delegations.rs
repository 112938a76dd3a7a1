//! What an account's key signed in a wallet counts for the chat key it names; what is wrong with it is noticed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test may fail loudly")]

use nightjar_core::chain::Network;
use nightjar_envelope::delegation::{Claim, Delegation, DelegationFault, LIFE_S_MAX, Scope};
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_pasc::key::{Curve, PrivateKey, PublicKey};
use nightjar_pasc::signature::{Signature, sign};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde::Deserialize;
use zeroize::Zeroizing;

#[derive(Deserialize)]
struct Captured {
    vectors: Vec<Vector>,
    wrong: Vec<Vector>,
    skip_rule: Vec<Skipped>,
}

#[derive(Deserialize)]
struct Vector {
    network: u8,
    account: u32,
    scope: u8,
    issued: u32,
    until: u32,
    name: String,
    enc_pubkey: String,
    chat_key: String,
    digest: String,
    signature: String,
    record: Option<String>,
    #[serde(default)]
    why: String,
}

#[derive(Deserialize)]
struct Skipped {
    network: u8,
    account: u32,
    scope: u8,
    issued: u32,
    until: u32,
    name: String,
    enc_pubkey: String,
    chat_key: String,
    digest: String,
    issued_used: u32,
    digest_used: String,
}

fn captured() -> Captured {
    serde_json::from_str(include_str!("vectors/delegation.json")).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn network(byte: u8) -> Network {
    if byte == 0 { Network::Main } else { Network::Test }
}

fn claim(vector: &Vector) -> Claim {
    Claim {
        network: network(vector.network),
        account: vector.account,
        scope: Scope::from_byte(vector.scope).unwrap(),
        issued: vector.issued,
        until: vector.until,
        name: vector.name.clone(),
        key: PublicKey::parse_raw(&unhex(&vector.enc_pubkey)).unwrap().0,
        chat_key: vector.chat_key.parse().unwrap(),
    }
}

fn author(number: u8) -> ChatKey {
    ChatSecret::from_seed(&Zeroizing::new([number; 32])).public()
}

fn made(scope: Scope, name: &str) -> (Claim, PrivateKey) {
    let key = PrivateKey::random(Curve::Secp256k1, &mut ChaCha20Rng::from_seed([1; 32])).unwrap();
    let mut claim = Claim {
        network: Network::Main,
        account: 1234,
        scope,
        issued: 1_795_363_200,
        until: 1_795_363_200 + LIFE_S_MAX,
        name: name.to_owned(),
        key: key.public_key(),
        chat_key: author(1),
    };
    claim.settle();
    (claim, key)
}

fn signed(claim: &Claim, key: &PrivateKey) -> Vec<u8> {
    let signature = sign(key, &claim.digest(), &mut ChaCha20Rng::from_seed([2; 32]));
    claim.signed(&signature).unwrap().bytes
}

#[test]
fn what_a_wallet_signed_counts_and_is_written_as_it_travels() {
    let captured = captured();
    assert_eq!(captured.vectors.len(), 12);
    for vector in &captured.vectors {
        let claim = claim(vector);
        assert_eq!(claim.digest().as_slice(), unhex(&vector.digest));
        let record = unhex(vector.record.as_ref().unwrap());
        if !claim.key.curve().is_supported() {
            continue;
        }
        let signature = Signature::parse_raw(claim.key.curve(), &unhex(&vector.signature)).unwrap();
        assert_eq!(claim.signed(&signature).unwrap().bytes, record);
        let delegation = Delegation::parse(&record).unwrap();
        let checked = delegation.check(claim.network, Some(&claim.chat_key), vector.issued).unwrap();
        assert_eq!((checked.claim.key.same_point(&claim.key), &checked.bytes), (true, &record));
        let claimed = Claim { key: claim.key.clone(), ..checked.claim.clone() };
        assert_eq!(claimed, claim);
    }
}

#[test]
fn what_a_daemon_refused_is_refused() {
    for vector in captured().wrong {
        let claim = claim(&vector);
        if !claim.key.curve().is_supported() {
            continue;
        }
        let Ok(signature) = Signature::parse_raw(claim.key.curve(), &unhex(&vector.signature)) else { continue };
        let fault = claim.signed(&signature).unwrap_err();
        assert!(matches!(fault, DelegationFault::Verify(_) | DelegationFault::Digest), "{}: {fault}", vector.why);
    }
}

#[test]
fn a_digest_that_might_name_an_account_is_stepped_over_and_not_taken() {
    for skipped in captured().skip_rule {
        let Skipped { account, scope, issued, until, name, .. } = &skipped;
        let mut claim = Claim {
            network: network(skipped.network),
            account: *account,
            scope: Scope::from_byte(*scope).unwrap(),
            issued: *issued,
            until: *until,
            name: name.clone(),
            key: PublicKey::parse_raw(&unhex(&skipped.enc_pubkey)).unwrap().0,
            chat_key: skipped.chat_key.parse().unwrap(),
        };
        assert_eq!(claim.digest().as_slice(), unhex(&skipped.digest));
        assert_eq!(claim.settle().as_slice(), unhex(&skipped.digest_used));
        assert_eq!(claim.issued, skipped.issued_used);
    }
    let (mut claim, key) = made(Scope::SPEAK, "");
    while claim.digest()[..4].iter().all(|byte| *byte >= 0x10) {
        claim.issued += 1;
    }
    let signature = sign(&key, &claim.digest(), &mut ChaCha20Rng::from_seed([2; 32]));
    assert_eq!(claim.signed(&signature), Err(DelegationFault::Digest));
}

#[test]
fn stepping_ends_where_time_does() {
    let (claim, _) = made(Scope::SPEAK, "");
    for account in 0..40 {
        let mut claim = Claim { account, issued: u32::MAX, ..claim.clone() };
        assert_eq!((claim.settle(), claim.issued), (claim.digest(), u32::MAX));
    }
}

#[test]
fn a_delegation_is_for_the_chat_key_that_carries_it() {
    let (claim, key) = made(Scope::SPEAK, "");
    let delegation = || Delegation::parse(&signed(&claim, &key)).unwrap();
    let check = |network, author: Option<ChatKey>| delegation().check(network, author.as_ref(), claim.issued);
    check(Network::Main, Some(author(1))).unwrap();
    assert!(matches!(check(Network::Main, Some(author(2))), Err(DelegationFault::Verify(_))), "pinned on a stranger");
    assert!(matches!(check(Network::Test, Some(author(1))), Err(DelegationFault::Verify(_))));
    assert_eq!(check(Network::Main, None), Err(DelegationFault::NoAuthor));
}

#[test]
fn its_end_names_its_chat_key_and_may_be_told_by_anybody() {
    let (claim, key) = made(Scope::NOTHING, "");
    let bytes = signed(&claim, &key);
    assert_eq!(bytes.len(), 113 + 32);
    for teller in [None, Some(author(9))] {
        let checked = Delegation::parse(&bytes).unwrap().check(Network::Main, teller.as_ref(), claim.issued).unwrap();
        assert!(checked.is_end());
        assert_eq!(checked.claim.chat_key, author(1));
    }
    let (delegated, _) = made(Scope::SPEAK, "");
    let delegated = signed(&delegated, &key);
    let one = Delegation::parse(&delegated).unwrap().check(Network::Main, Some(&author(1)), claim.issued).unwrap();
    let end = Delegation::parse(&bytes).unwrap().check(Network::Main, None, claim.issued).unwrap();
    assert_eq!(one.point, end.point);
    if one.claim.issued == end.claim.issued {
        assert!(end.precedence() > one.precedence());
    }
}

#[test]
fn it_lives_at_most_90_days_and_not_before_it_begins() {
    let (claim, key) = made(Scope::SPEAK, "");
    let at = |now_s| Delegation::parse(&signed(&claim, &key)).unwrap().check(Network::Main, Some(&author(1)), now_s);
    at(claim.issued - 3_600).unwrap();
    assert_eq!(at(claim.issued - 3_601), Err(DelegationFault::Ahead(claim.issued)));
    for (issued, until) in [(10, 10), (10, 9), (10, 11 + LIFE_S_MAX)] {
        let claim = Claim { issued, until, ..claim.clone() };
        let signature = sign(&key, &claim.digest(), &mut ChaCha20Rng::from_seed([2; 32]));
        assert_eq!(claim.signed(&signature), Err(DelegationFault::Life { issued, until }));
    }
}

#[test]
fn its_length_is_exact_and_its_parts_have_a_meaning() {
    let (claim, key) = made(Scope::SPEAK.and(Scope::SERVE), "night.jar");
    let good = signed(&claim, &key);
    assert_eq!(good.len(), 113 + 9);
    Delegation::parse(&good).unwrap();
    for length in 0..good.len() {
        assert!(Delegation::parse(&good[..length]).is_err(), "{length} bytes");
    }
    let with = |at: usize, byte: u8| {
        let mut bad = good.clone();
        bad[at] = byte;
        Delegation::parse(&bad).unwrap_err()
    };
    assert_eq!(with(0, 2), DelegationFault::Version(2));
    assert_eq!(with(5, 8), DelegationFault::Scope(8));
    assert_eq!(with(14, 0), DelegationFault::Curve(0));
    assert_eq!(with(14, 5), DelegationFault::Curve(5));
    assert!(matches!(with(14, 2), DelegationFault::Length { .. }));
    assert_eq!(with(16, b'9'), DelegationFault::Name);
    assert_eq!(with(17, b'I'), DelegationFault::Name);
    let longer = [good.as_slice(), &[0]].concat();
    assert!(matches!(Delegation::parse(&longer), Err(DelegationFault::Length { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_changed_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (claim, key) = made(Scope::SPEAK, "night.jar");
        let mut bytes = signed(&claim, &key);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let checked = Delegation::parse(&bytes)
            .and_then(|delegation| delegation.check(Network::Main, Some(&author(1)), claim.issued));
        prop_assert!(checked.is_err());
    }

    #[test]
    fn whatever_bytes_come_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(delegation) = Delegation::parse(&bytes) {
            prop_assert!(delegation.check(Network::Main, Some(&author(1)), u32::MAX).is_err());
        }
    }
}
