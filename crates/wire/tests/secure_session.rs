//! Two TLS sessions with each other, and one with a peer that breaks the rules inside TLS.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod common;

use common::*;
use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Control, Item};
use nightjar_core::link::Carries;
use nightjar_wire::secure::NodeIdentity;
use nightjar_wire::session::{Session, SessionEvent};

#[test]
fn two_nodes_shake_hands_and_learn_who_the_other_is() {
    let (mut left, mut right) = (dialled(config(1)), accepted(config(2)));
    let ran = run(at(0), &mut left, &mut right, usize::MAX);
    let [SessionEvent::Open(peer)] = &ran.left[..] else { panic!("{ran:?}") };
    assert_eq!(peer.node_key, Some(NodeIdentity::from_seed([2; 32]).node_key()));
    assert_eq!((peer.listen_port, peer.agent.as_str(), peer.outbound), (4002, "node 2", true));
    assert_eq!((peer.clock_ahead_s, peer.carries, peer.features), (0, Carries::Records, 0));
    let [SessionEvent::Open(peer)] = &ran.right[..] else { panic!("{ran:?}") };
    assert_eq!(peer.node_key, Some(NodeIdentity::from_seed([1; 32]).node_key()));
    assert!(!peer.outbound);
}

#[test]
fn a_batch_arrives_whole_and_in_order_in_pieces_of_any_size() {
    for piece in [1, 7, 1000, usize::MAX] {
        let (mut left, mut right) = open_pair();
        let sent: Vec<_> = (0..500).map(|number| if number % 3 == 0 { plain(number) } else { dated(number) }).collect();
        for (record, tag) in sent.iter().zip(0..) {
            left.send(at(1), &Item::Record { record: record.clone(), tag });
        }
        assert!(left.pending_bytes() > 500 * 40);
        let ran = run(at(1), &mut left, &mut right, piece);
        let came = records(&ran.right);
        assert_eq!(came.len(), sent.len());
        assert!(
            came.iter().zip(sent.iter().zip(0..)).all(|((record, tag), (wanted, at))| record == wanted && *tag == at)
        );
        assert_eq!(left.pending_bytes(), 0);
        assert_eq!(ran.right_fault, None);
    }
}

#[test]
fn the_node_itself_at_the_other_end_is_found_out() {
    let (mut left, mut right) = (dialled(config(1)), accepted(config(1)));
    let ran = run(at(0), &mut left, &mut right, usize::MAX);
    assert_eq!((ran.left_fault, ran.right_fault), (Some(Fault::Myself), Some(Fault::Myself)));
    assert!(ran.left.is_empty() && ran.right.is_empty(), "{ran:?}");
}

#[test]
fn bye_is_the_last_that_is_said() {
    let (mut left, mut right) = open_pair();
    left.send(at(1), &item(&dated(1)));
    left.send(at(1), &Item::Control(Control::Bye { code: ByeCode::Leaving, text: "good night".into() }));
    left.send(at(1), &item(&dated(2)));
    right.send(at(1), &item(&dated(3)));
    let ran = run(at(1), &mut left, &mut right, usize::MAX);
    assert_eq!(records(&ran.right).len(), 1);
    let bye = SessionEvent::Control(Control::Bye { code: ByeCode::Leaving, text: "good night".into() });
    assert_eq!(ran.right[1..], [bye, SessionEvent::Closed]);
    assert!(ran.left.is_empty());
    assert_eq!((left.deadline(), right.deadline()), (None, None));
}
