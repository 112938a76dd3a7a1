//! What a set of links promises: it is a set, in the order of slots.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail loudly")]

use std::collections::BTreeSet;

use nightjar_core::link::{LINKS_MAX, LinkId, LinkSet};
use proptest::collection::btree_set;
use proptest::prelude::*;

#[test]
fn the_first_and_the_last_slot_fit() {
    let mut set = LinkSet::EMPTY;
    assert!(set.is_empty());
    for slot in [0, 127] {
        set.insert(link(slot));
        assert!(set.contains(link(slot)));
    }
    assert_eq!((LINKS_MAX, set.len()), (128, 2));
    assert_eq!(set.slots().collect::<Vec<_>>(), [0, 127]);
    set.remove(link(127));
    set.remove(link(127));
    assert_eq!(format!("{set:?}"), "{0}");
}

#[test]
#[should_panic(expected = "slots are numbered below LINKS_MAX")]
fn there_is_no_slot_behind_the_last() {
    link(128);
}

#[test]
fn a_link_is_shown_by_its_serial_number() {
    let link = LinkId::new(3, 4711);
    assert_eq!((link.slot(), link.serial()), (3, 4711));
    assert_eq!((link.to_string(), format!("{link:?}")), ("#4711".to_owned(), "#4711".to_owned()));
    assert_ne!(link, LinkId::new(3, 4712));
}

proptest! {
    #[test]
    fn it_holds_what_was_put_in_and_not_taken_out(put in btree_set(0..128u8, 0..128), taken in btree_set(0..128u8, 0..128)) {
        let (mut set, mut others) = (LinkSet::EMPTY, LinkSet::EMPTY);
        put.iter().for_each(|slot| set.insert(link(*slot)));
        taken.iter().for_each(|slot| others.insert(link(*slot)));
        let left: BTreeSet<_> = put.difference(&taken).map(|slot| usize::from(*slot)).collect();
        prop_assert_eq!(set.without(others).slots().collect::<BTreeSet<_>>(), left.clone());
        taken.iter().for_each(|slot| set.remove(link(*slot)));
        prop_assert_eq!(set.slots().collect::<Vec<_>>(), left.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!((set.len(), set.is_empty()), (left.len(), left.is_empty()));
        prop_assert!((0..128).all(|slot| set.contains(link(slot)) == left.contains(&usize::from(slot))));
    }
}

fn link(slot: u8) -> LinkId {
    LinkId::new(slot, u64::from(slot))
}
