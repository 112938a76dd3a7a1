//! No bytes upset the reader of parts; whatever parts come in whatever order, what is joined is a body that somebody cut, and what
//! waits has a bound.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeMap;

use nightjar_core::chain::Network;
use nightjar_core::record::{BODY_BYTES_MAX, Target};
use nightjar_envelope::Place;
use nightjar_envelope::fragment::{Assembly, CHUNK_BYTES, Joined, LOOSE_BYTES_MAX, PARTS_MAX, Part, cut};

const PLACE: Place = Place { network: Network::Main, target: Target([5; 16]), expiry: 1_800_000_000 };

#[test]
fn part() {
    bolero::check!().for_each(|bytes: &[u8]| {
        look_at(bytes);
        // Random bytes seldom have numbers that agree: as the last of two they do, and as the first with a whole chunk.
        look_at(&[&[8; 9], [1, 0, 2, 0].as_slice(), &[0; 16], bytes].concat());
        let chunk: Vec<u8> = bytes.iter().chain(&[0; CHUNK_BYTES]).take(CHUNK_BYTES).copied().collect();
        look_at(&[&[8; 9], [0, 0, 2, 0].as_slice(), &[7; 16], &chunk].concat());
    });
}

fn look_at(bytes: &[u8]) {
    let Some(part) = Part::parse(bytes) else { return };
    assert!(bytes.len() <= BODY_BYTES_MAX);
    assert!((1..=CHUNK_BYTES).contains(&part.chunk.len()));
    assert!((2..=PARTS_MAX).contains(&part.count.into()) && part.index < part.count);
    let (index, count) = (part.index.to_le_bytes(), part.count.to_le_bytes());
    assert_eq!([&[8], part.set.as_slice(), &index, &count, &part.next, part.chunk].concat(), bytes);
    let joined = Assembly::default().take(&PLACE, &part);
    assert!(matches!(joined, Joined::Waiting(1) | Joined::Dropped), "nothing is whole with one part");
}

/// Parts of a few bodies, on the way changed in one byte, taken twice, left out or put under another date.
#[test]
fn parts_in_a_row() {
    bolero::check!().with_type::<(Vec<u16>, Vec<(u8, u8, u8, u8)>)>().for_each(|(lengths, steps)| {
        let bodies: Vec<Vec<u8>> = lengths
            .iter()
            .take(4)
            .enumerate()
            .map(|(at, length)| vec![at as u8; usize::from(*length % 2_000) + CHUNK_BYTES + 1])
            .collect();
        let cuts: Vec<Vec<Vec<u8>>> = bodies.iter().map(|body| cut(&PLACE, body).unwrap()).collect();
        if cuts.is_empty() {
            return;
        }
        let mut assembly = Assembly::default();
        // The parts that came unchanged, of bodies that are not whole yet.
        let mut here: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut whole = Vec::new();
        for (body, part, change, bit) in steps {
            let body = usize::from(*body) % bodies.len();
            let part = usize::from(*part) % cuts[body].len();
            let mut bytes = cuts[body][part].clone();
            // Half of them stay as they are.
            let is_changed = change % 2 == 1;
            if is_changed {
                let at = usize::from(*change) % bytes.len();
                bytes[at] ^= 1 << (bit % 8);
            }
            let Some(read) = Part::parse(&bytes) else { continue };
            match assembly.take(&PLACE, &read) {
                Joined::Whole(joined) => {
                    // A byte of the chunk, the numbers or the hash makes another part; the set's name only says where it lies.
                    assert_eq!(joined, bodies[body]);
                    assert!(!is_changed && !whole.contains(&body), "out of a forged part, or twice");
                    whole.push(body);
                }
                Joined::Waiting(_) | Joined::Dropped => {}
            }
            if !is_changed {
                let parts = here.entry(body).or_default();
                parts.retain(|other| *other != part);
                parts.push(part);
                assert_eq!(
                    parts.len() == cuts[body].len(),
                    whole.contains(&body),
                    "whole with its last part, whatever else came"
                );
            }
            assert!(assembly.waiting().1 <= LOOSE_BYTES_MAX);
        }
        assembly.drop_before(PLACE.expiry + 1);
        assert_eq!(assembly.waiting(), (0, 0));
    });
}
