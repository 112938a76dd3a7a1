//! No bytes upset the reader of delegations, nor its checks; a change to a good one is never taken.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_core::chain::Network;
use nightjar_envelope::delegation::{Delegation, Scope};
use nightjar_envelope::key::ChatKey;

/// A delegation and the end of another that a wallet's daemon signed for the test network.
const GOOD: [&str; 2] = [
    "0120030000018011036b1cb8796b010003f7742b234927ee927591dd574981ec40dabbe572684077797248c37a64b99027c5eee56e1ffe9bafa21537a644f9889b75c89821b5c2dde921cae45b538ce399aee98a6c40d1c31323814a56cf0b484eb826bc1e4597a5c7031f243f67148811",
    "0120030000008111036b1cb8796b010003f7742b234927ee927591dd574981ec40dabbe572684077797248c37a64b990274898bbf65b665a79c7a6966d201557017660793fb79591cca5b3f0e250dca91013d239a4f794758b2511345c520819f3cb403e36a1cff37e5da797508f57589e5792ba75825b195b4437b7a9419ad186e57c3e4a4eb3c9d424926c66b4ded822",
];
const CHAT_KEY: &str = "86924348914488d5e1989d0d193e1f67bf24a9304099025994cef75a3fc85fb8";
const NOW_S: u32 = 1_795_363_300;

#[test]
fn delegation() {
    bolero::check!().for_each(|bytes: &[u8]| look_at(bytes));
}

/// The head and the length made right, so that point, numbers and name are reached on each curve.
#[test]
fn whole_delegation() {
    // Some computing on four curves each time: fewer are enough in a test.
    bolero::check!().with_iterations(2_000).with_type::<(u8, u8, u8, bool, Vec<u8>)>().for_each(
        |(scope, curve, name_bytes, is_compressed, rest)| {
            let (scope, curve, name_bytes) = (scope % 8, usize::from(curve % 4), name_bytes % 66);
            let field = [32, 48, 66, 36][curve];
            let behind = usize::from(name_bytes) + 1 + 3 * field + if scope == 0 { 32 } else { 0 };
            let mut bytes = vec![1, 7, 0, 0, 0, scope];
            bytes.extend((NOW_S - 10).to_le_bytes());
            bytes.extend((NOW_S + 10).to_le_bytes());
            bytes.extend([curve as u8 + 1, name_bytes]);
            let name_at = bytes.len();
            bytes.extend(rest.iter().chain(&[0]).cycle().take(behind));
            if *is_compressed {
                bytes[name_at..][..usize::from(name_bytes)].fill(b'a');
                bytes[name_at + usize::from(name_bytes)] = 2 + (rest.len() % 2) as u8;
            }
            look_at(&bytes);
        },
    );
}

#[test]
fn changed_delegation() {
    bolero::check!().with_iterations(2_000).with_type::<(bool, u8, u8)>().for_each(|(is_end, at, change)| {
        let good = unhex(GOOD[usize::from(*is_end)]);
        assert!(is_taken(&good));
        let mut changed = good.clone();
        let at = usize::from(*at) % changed.len();
        changed[at] ^= change;
        assert_eq!(is_taken(&changed), *change == 0, "byte {at}");
    });
}

fn look_at(bytes: &[u8]) {
    let Ok(delegation) = Delegation::parse(bytes) else { return };
    let (scope, issued) = (delegation.scope(), delegation.issued());
    let author = CHAT_KEY.parse::<ChatKey>().unwrap();
    if let Ok(checked) = delegation.clone().check(Network::Test, Some(&author), NOW_S) {
        assert_eq!(checked.bytes, bytes);
        assert_eq!((checked.claim.scope, checked.claim.issued), (scope, issued));
        assert_eq!(checked.is_end(), scope == Scope::NOTHING);
    }
    // Nobody's word is enough for the end of one, and for nothing else.
    if scope != Scope::NOTHING {
        assert!(delegation.check(Network::Test, None, NOW_S).is_err());
    }
}

fn is_taken(bytes: &[u8]) -> bool {
    let author = CHAT_KEY.parse::<ChatKey>().unwrap();
    Delegation::parse(bytes).is_ok_and(|delegation| delegation.check(Network::Test, Some(&author), NOW_S).is_ok())
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
