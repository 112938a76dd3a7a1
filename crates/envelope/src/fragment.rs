//! Fragments (form 08): a body that is too long for one record is cut into parts, each of which names the hash of the next, so that a
//! forged part is never asked for and takes nobody's place. Never looks into the body.

use std::collections::BTreeMap;

use nightjar_core::record::Target;
use sha2::{Digest as _, Sha256};

use crate::form;
use crate::{Place, form::PART};

/// Bytes of the body in each part but the last.
pub const CHUNK_BYTES: usize = 210;
/// The most parts one body has.
pub const PARTS_MAX: usize = 312;
/// The longest body that can be cut.
pub const CUT_BYTES_MAX: usize = PARTS_MAX * CHUNK_BYTES;
/// The bytes of loose parts that are kept. Strangers can fill it; those whose date is oldest go first.
pub const LOOSE_BYTES_MAX: usize = 16 << 20;
/// What a part costs beside its chunk: its place in the table.
const PART_BYTES_EXTRA: usize = 160;
/// What a set costs beside its parts: its tables have room for more than the one small part that a stranger may send of it.
const SET_BYTES_EXTRA: usize = 800;
const DOMAIN: &[u8] = b"PIP38 part v1\0";
const HEAD_BYTES: usize = 1 + 8 + 2 + 2 + 16;

/// The hash of a part: what the one before it names.
type Hash = [u8; 16];
/// The first bytes of the hash of part 0: what all parts of one body have in common.
type SetId = [u8; 8];

/// A body cannot be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutFault {
    /// It fits one part.
    #[error("{0} bytes fit one record: only what is longer than {CHUNK_BYTES} is cut")]
    Short(usize),
    /// Too many parts.
    #[error(
        "{0} bytes are too long for one message, also in parts: the most is {CUT_BYTES_MAX} with signature, seal and padding"
    )]
    Long(usize),
    /// It is a part itself, and whoever joined what is cut of it would drop it.
    #[error("a part of a message is not cut again")]
    Part,
}

/// A part, as it stands in a record's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'b> {
    /// What all parts of one body have in common.
    pub set: SetId,
    /// Which part, from 0.
    pub index: u16,
    /// How many there are.
    pub count: u16,
    /// The hash of the next; zeros in the last.
    pub next: Hash,
    /// Its piece of the body.
    pub chunk: &'b [u8],
}

impl<'b> Part<'b> {
    /// The part that this body is; `None` when it is none.
    pub fn parse(body: &'b [u8]) -> Option<Self> {
        let (head, chunk) = body.split_first_chunk::<HEAD_BYTES>()?;
        let (form, head) = head.split_first_chunk::<1>()?;
        let (set, head) = head.split_first_chunk()?;
        let (index, head) = head.split_first_chunk()?;
        let (count, next) = head.split_first_chunk()?;
        let part = Self {
            set: *set,
            index: u16::from_le_bytes(*index),
            count: u16::from_le_bytes(*count),
            next: *next.first_chunk()?,
            chunk,
        };
        (*form == [PART] && part.is_sound()).then_some(part)
    }

    /// Whether its numbers agree with each other.
    fn is_sound(&self) -> bool {
        let is_last = self.index.checked_add(1) == Some(self.count);
        let fits = if is_last { !self.chunk.is_empty() } else { self.chunk.len() == CHUNK_BYTES };
        (2..=PARTS_MAX).contains(&usize::from(self.count))
            && self.index < self.count
            && self.chunk.len() <= CHUNK_BYTES
            && fits
            && is_last == (self.next == [0; 16])
    }

    fn hash(&self, place: &Place) -> Hash {
        let hash = Sha256::new_with_prefix(DOMAIN)
            .chain_update([place.network.byte()])
            .chain_update(place.target.0)
            .chain_update(place.expiry.to_le_bytes())
            .chain_update(self.index.to_le_bytes())
            .chain_update(self.count.to_le_bytes())
            .chain_update(self.next)
            .chain_update(self.chunk)
            .finalize();
        *hash.first_chunk().expect("a SHA-256 has 32 bytes")
    }

    fn body(&self) -> Vec<u8> {
        let (index, count) = (self.index.to_le_bytes(), self.count.to_le_bytes());
        [&[PART], self.set.as_slice(), &index, &count, &self.next, self.chunk].concat()
    }
}

/// The bodies of the parts of a finished body, in their order.
pub fn cut(place: &Place, body: &[u8]) -> Result<Vec<Vec<u8>>, CutFault> {
    if body.len() <= CHUNK_BYTES {
        return Err(CutFault::Short(body.len()));
    }
    if body.len() > CUT_BYTES_MAX {
        return Err(CutFault::Long(body.len()));
    }
    if body.first() == Some(&PART) {
        return Err(CutFault::Part);
    }
    Ok(chain(place, body))
}

/// The parts of a body that can be cut.
fn chain(place: &Place, body: &[u8]) -> Vec<Vec<u8>> {
    let chunks: Vec<&[u8]> = body.chunks(CHUNK_BYTES).collect();
    let number = |number: usize| u16::try_from(number).expect("there are at most 312 parts");
    let count = number(chunks.len());
    // From the last to the first: each names the hash of the one behind it.
    let (mut next, mut parts) = ([0; 16], Vec::with_capacity(chunks.len()));
    for (index, chunk) in chunks.into_iter().enumerate().rev() {
        let part = Part { set: [0; 8], index: number(index), count, next, chunk };
        next = part.hash(place);
        parts.push(part);
    }
    let set = *next.first_chunk().expect("a hash has 16 bytes");
    parts.reverse();
    parts.into_iter().map(|part| Part { set, ..part }.body()).collect()
}

/// What became of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// It waits for others; so many of its set are here.
    Waiting(usize),
    /// It was the last that was missing: the whole body.
    Whole(Vec<u8>),
    /// It is a second copy, or not what it says.
    Dropped,
}

/// Loose parts.
#[derive(Debug, Default)]
pub struct Assembly {
    /// By date first: the oldest goes first.
    sets: BTreeMap<(u32, Target, SetId), Set>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Set {
    /// By hash: a forged part has another.
    parts: BTreeMap<Hash, Loose>,
    /// The hash of part 0, of which the set has its name: there is one at the most.
    head: Option<Hash>,
    bytes: usize,
    /// The whole was given out: what still comes is a copy.
    done: bool,
}

#[derive(Debug)]
struct Loose {
    index: u16,
    count: u16,
    next: Hash,
    chunk: Vec<u8>,
}

impl Assembly {
    /// Takes a part.
    pub fn take(&mut self, place: &Place, part: &Part<'_>) -> Joined {
        let hash = part.hash(place);
        let head = *hash.first_chunk::<8>().expect("a hash has 16 bytes");
        if part.index == 0 && head != part.set {
            return Joined::Dropped;
        }
        let id = (place.expiry, place.target, part.set);
        let set = self.sets.entry(id).or_default();
        if set.done || set.parts.contains_key(&hash) {
            return Joined::Dropped;
        }
        let Part { index, count, next, chunk, .. } = *part;
        if index == 0 {
            set.head = Some(hash);
        }
        let tables = if set.parts.is_empty() { SET_BYTES_EXTRA } else { 0 };
        let bytes = tables + chunk.len() + PART_BYTES_EXTRA;
        set.parts.insert(hash, Loose { index, count, next, chunk: chunk.to_vec() });
        set.bytes += bytes;
        self.bytes += bytes;
        if let Some(whole) = set.whole() {
            self.bytes -= set.bytes;
            *set = Set { done: true, bytes: PART_BYTES_EXTRA, ..Set::default() };
            self.bytes += PART_BYTES_EXTRA;
            self.drop_oldest();
            return Joined::Whole(whole);
        }
        let waiting = set.parts.len();
        self.drop_oldest();
        Joined::Waiting(waiting)
    }

    /// Forgets what no record can complete any more.
    pub fn drop_before(&mut self, expiry: u32) {
        let kept = self.sets.split_off(&(expiry, Target([0; 16]), [0; 8]));
        for (_, set) in std::mem::replace(&mut self.sets, kept) {
            self.bytes -= set.bytes;
        }
    }

    /// Sets that wait, and the bytes that all loose parts take.
    pub fn waiting(&self) -> (usize, usize) {
        (self.sets.values().filter(|set| !set.done).count(), self.bytes)
    }

    fn drop_oldest(&mut self) {
        while self.bytes > LOOSE_BYTES_MAX
            && let Some((_, set)) = self.sets.pop_first()
        {
            self.bytes -= set.bytes;
        }
    }
}

impl Set {
    /// The body, if from the head on every part names one that is here.
    fn whole(&self) -> Option<Vec<u8>> {
        let head = self.parts.get(&self.head?)?;
        if self.parts.len() < usize::from(head.count) {
            return None;
        }
        let (mut part, mut body) = (head, Vec::with_capacity(usize::from(head.count) * CHUNK_BYTES));
        loop {
            body.extend(&part.chunk);
            if part.next == [0; 16] {
                // No part stands inside another.
                return (body.first() != Some(&form::PART)).then_some(body);
            }
            let next = self.parts.get(&part.next)?;
            if next.index != part.index + 1 || next.count != head.count {
                return None;
            }
            part = next;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use nightjar_core::chain::Network;
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place = Place { network: Network::Main, target: Target([5; 16]), expiry: 1_800_000_000 };

    fn body(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| if at == 0 { 2 } else { (at * 31 % 251) as u8 }).collect()
    }

    fn take(assembly: &mut Assembly, part: &[u8]) -> Joined {
        assembly.take(&PLACE, &Part::parse(part).unwrap())
    }

    #[test]
    fn what_fits_one_record_or_no_312_is_not_cut() {
        assert_eq!(cut(&PLACE, &body(210)), Err(CutFault::Short(210)));
        assert_eq!(cut(&PLACE, &body(211)).unwrap().len(), 2);
        assert_eq!(cut(&PLACE, &body(65_520)).unwrap().len(), 312);
        assert_eq!(cut(&PLACE, &body(65_521)), Err(CutFault::Long(65_521)));
        for part in cut(&PLACE, &body(421)).unwrap() {
            assert!(part.len() <= 239);
        }
    }

    #[test]
    fn a_part_whose_numbers_disagree_is_none() {
        let good = cut(&PLACE, &body(500)).unwrap();
        assert!(Part::parse(&good[0]).is_some() && Part::parse(&good[2]).is_some());
        let changed = |part: usize, at: usize, to: u8| {
            let mut bad = good[part].clone();
            bad[at] = to;
            Part::parse(&bad).is_none()
        };
        assert!(changed(0, 0, 7), "another form");
        assert!(changed(0, 9, 3), "behind the last");
        assert!(changed(0, 11, 1), "one part is none");
        assert!(changed(0, 12, 2), "more than 312");
        assert!(changed(2, 13, 1), "the last names no other");
        assert!(Part::parse(&good[0][..238]).is_none(), "only the last is shorter");
        assert!(Part::parse(&good[2][..29]).is_none(), "empty");
        assert!(Part::parse(&[]).is_none());
    }

    #[test]
    fn a_forged_part_takes_nobodys_place_and_a_forged_head_is_dropped() {
        let good = cut(&PLACE, &body(500)).unwrap();
        let mut assembly = Assembly::default();
        for at in [1, 2] {
            let mut forged = good[at].clone();
            *forged.last_mut().unwrap() ^= 1;
            assert_eq!(take(&mut assembly, &forged), Joined::Waiting(at));
        }
        let mut head = good[0].clone();
        *head.last_mut().unwrap() ^= 1;
        assert_eq!(take(&mut assembly, &head), Joined::Dropped);
        take(&mut assembly, &good[2]);
        take(&mut assembly, &good[0]);
        assert_eq!(take(&mut assembly, &good[1]), Joined::Whole(body(500)));
        assert_eq!(take(&mut assembly, &good[1]), Joined::Dropped, "a copy that came late");
        let elsewhere = Place { expiry: PLACE.expiry + 1, ..PLACE };
        assert_eq!(assembly.take(&elsewhere, &Part::parse(&good[0]).unwrap()), Joined::Dropped, "moved");
    }

    #[test]
    fn thousands_of_sets_that_are_never_completed_stay_within_their_bytes_and_the_oldest_go_first() {
        let mut assembly = Assembly::default();
        let long = body(65_520);
        let mut newest = Vec::new();
        for number in 0..1_000u32 {
            let place = Place { expiry: PLACE.expiry + number, ..PLACE };
            let parts = cut(&place, &long).unwrap();
            for part in &parts[..156] {
                assembly.take(&place, &Part::parse(part).unwrap());
                assert!(assembly.waiting().1 <= LOOSE_BYTES_MAX);
            }
            newest = parts;
        }
        assert!(assembly.waiting().0 < 1_000);
        let place = Place { expiry: PLACE.expiry + 999, ..PLACE };
        let last = newest[156..].iter().map(|part| assembly.take(&place, &Part::parse(part).unwrap())).last();
        assert_eq!(last, Some(Joined::Whole(long)));
        assembly.drop_before(u32::MAX);
        assert_eq!(assembly.waiting(), (0, 0));
    }

    #[test]
    fn sets_of_one_small_part_are_counted_with_their_tables() {
        let mut assembly = Assembly::default();
        for number in 0..50_000u64 {
            let part = Part { set: number.to_le_bytes(), index: 1, count: 2, next: [0; 16], chunk: &[7] };
            assembly.take(&PLACE, &part);
        }
        let (sets, bytes) = assembly.waiting();
        assert!(bytes <= LOOSE_BYTES_MAX);
        assert!(sets <= LOOSE_BYTES_MAX / SET_BYTES_EXTRA, "{sets} sets");
    }

    #[test]
    fn no_part_stands_inside_another() {
        let mut inner = body(300);
        inner[0] = PART;
        assert_eq!(cut(&PLACE, &inner), Err(CutFault::Part));
        let mut assembly = Assembly::default();
        let joined: Vec<_> = chain(&PLACE, &inner).iter().map(|part| take(&mut assembly, part)).collect();
        assert_eq!(joined, [Joined::Waiting(1), Joined::Waiting(2)]);
    }

    proptest! {
        #[test]
        fn parts_in_any_order_with_copies_make_the_body(
            bytes in 211usize..3_000,
            order in prop::collection::vec(any::<prop::sample::Index>(), 40),
        ) {
            let whole = body(bytes);
            let parts = cut(&PLACE, &whole).unwrap();
            let mut assembly = Assembly::default();
            let mut order: Vec<usize> = order.into_iter().map(|index| index.index(parts.len())).collect();
            order.extend(0..parts.len());
            let joined: Vec<_> = order.into_iter().map(|at| take(&mut assembly, &parts[at])).collect();
            prop_assert_eq!(joined.iter().filter(|it| **it == Joined::Whole(whole.clone())).count(), 1);
            prop_assert!(joined.iter().all(|it| !matches!(it, Joined::Whole(other) if *other != whole)));
        }

        #[test]
        fn no_bytes_make_a_part_that_it_does_not_print(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(part) = Part::parse(&bytes) {
                prop_assert_eq!(part.body(), bytes);
            }
        }
    }
}
