//! What every `Session` promises to the link that drives it, whatever it speaks. A protocol joins with one line below.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod common;

use common::{accepted, at, config, dated, dialled, item, pascal, pascal_config, records};
use nightjar_core::chain::AccountsAnswer;
use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Control, Item, NoAnswer};
use nightjar_core::link::Carries;
use nightjar_wire::session::{Session, SessionEvent};
use proptest::prelude::*;

/// Both ends of a new connection between two nodes that take records: who dialled, who accepted.
type Pair = fn() -> (Box<dyn Session>, Box<dyn Session>);

macro_rules! conforms {
    ($name:ident, $pair:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn it_opens_once_and_first() {
                super::it_opens_once_and_first($pair);
            }

            #[test]
            fn records_arrive_once_both_ways_in_pieces_of_any_size() {
                super::records_arrive_once_both_ways_in_pieces_of_any_size($pair);
            }

            #[test]
            fn a_peer_that_says_nothing_is_let_go() {
                super::a_peer_that_says_nothing_is_let_go($pair);
            }

            #[test]
            fn it_has_nothing_to_say_when_nothing_is_to_be_said() {
                super::it_has_nothing_to_say_when_nothing_is_to_be_said($pair);
            }

            #[test]
            fn no_item_makes_it_panic_at_any_stage() {
                super::no_item_makes_it_panic_at_any_stage($pair);
            }

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(64))]

                #[test]
                fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000), cut in 0usize..4000) {
                    super::no_bytes_make_it_panic($pair, &bytes, cut);
                }
            }
        }
    };
}

conforms!(secure, || (Box::new(dialled(config(1))), Box::new(accepted(config(2)))));
conforms!(pascal, || (Box::new(pascal(true, pascal_config(1))), Box::new(pascal(false, pascal_config(2)))));

/// A pair on its own clock, which goes on to the next deadline when both are silent.
struct Bench {
    left: Side,
    right: Side,
    now_ms: u64,
}

struct Side {
    session: Box<dyn Session>,
    events: Vec<SessionEvent>,
    fault: Option<Fault>,
}

impl Side {
    fn new(session: Box<dyn Session>) -> Self {
        Self { session, events: Vec::new(), fault: None }
    }

    fn drain(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.session.poll()));
    }

    fn tick(&mut self, now_ms: u64) {
        if self.session.deadline().is_some_and(|due| due.0 <= now_ms) && self.fault.is_none() {
            self.fault = self.session.tick(at(now_ms)).err();
            self.drain();
        }
    }

    fn opened(&self) -> bool {
        self.events.iter().any(|event| matches!(event, SessionEvent::Open(_)))
    }

    fn carries_records(&self) -> bool {
        self.events.iter().any(|event| match event {
            SessionEvent::Open(peer) => peer.carries == Carries::Records,
            SessionEvent::Control(Control::Speaks { carries, .. }) => *carries == Carries::Records,
            _ => false,
        })
    }
}

impl Bench {
    fn new(pair: Pair) -> Self {
        let (left, right) = pair();
        Self { left: Side::new(left), right: Side::new(right), now_ms: 0 }
    }

    /// Runs for so long on the bench's clock.
    fn run(&mut self, ms: u64, piece: usize) {
        let end_ms = self.now_ms + ms;
        loop {
            let said = carry(self.now_ms, &mut self.left, &mut self.right, piece)
                | carry(self.now_ms, &mut self.right, &mut self.left, piece);
            if said {
                continue;
            }
            let dues = [&self.left, &self.right].map(|side| side.session.deadline().filter(|_| side.fault.is_none()));
            let Some(due) = dues.into_iter().flatten().map(|due| due.0).min().filter(|due| *due <= end_ms) else {
                self.now_ms = end_ms;
                return;
            };
            self.now_ms = self.now_ms.max(due);
            self.left.tick(self.now_ms);
            self.right.tick(self.now_ms);
        }
    }
}

fn carry(now_ms: u64, from: &mut Side, to: &mut Side, piece: usize) -> bool {
    let mut bytes = Vec::new();
    from.session.transmit(at(now_ms), &mut bytes);
    for piece in bytes.chunks(piece) {
        if to.fault.is_none() {
            to.fault = to.session.receive(at(now_ms), piece).err();
        }
        to.drain();
    }
    !bytes.is_empty()
}

fn it_opens_once_and_first(pair: Pair) {
    let mut bench = Bench::new(pair);
    bench.run(25_000, usize::MAX);
    for side in [&bench.left, &bench.right] {
        assert_eq!(side.fault, None);
        assert!(matches!(side.events[0], SessionEvent::Open(_)), "{:?}", side.events);
        assert!(side.events[1..].iter().all(|event| !matches!(event, SessionEvent::Open(_))));
        assert!(side.carries_records());
    }
}

fn records_arrive_once_both_ways_in_pieces_of_any_size(pair: Pair) {
    for piece in [1, 13, 1460, usize::MAX] {
        let mut bench = Bench::new(pair);
        bench.run(15_000, piece);
        for number in 0..300 {
            let now = at(bench.now_ms);
            bench.left.session.send(now, &item(&dated(number)));
            bench.right.session.send(now, &item(&dated(1000 + number)));
        }
        bench.run(25_000, piece);
        for (side, first) in [(&bench.right, 0), (&bench.left, 1000)] {
            let came: Vec<_> = records(&side.events).into_iter().map(|(record, _)| record).collect();
            assert_eq!(came, (first..first + 300).map(dated).collect::<Vec<_>>());
            assert_eq!((side.fault, side.session.pending_bytes()), (None, 0));
        }
    }
}

fn a_peer_that_says_nothing_is_let_go(pair: Pair) {
    let mut waits = pair().1;
    let mut now_ms = 0;
    let fault = loop {
        now_ms = now_ms.max(waits.deadline().expect("it waits for something").0);
        assert!(now_ms < 120_000, "it waits for ever");
        if let Err(fault) = waits.tick(at(now_ms)) {
            break fault;
        }
        waits.transmit(at(now_ms), &mut Vec::new());
    };
    assert_eq!(fault, Fault::TimedOut);

    let mut bench = Bench::new(pair);
    bench.run(15_000, usize::MAX);
    let mut left = bench.left;
    now_ms = bench.now_ms;
    while left.fault.is_none() {
        now_ms = now_ms.max(left.session.deadline().expect("it waits for something").0);
        assert!(now_ms < 600_000, "it waits for ever");
        left.tick(now_ms);
        left.session.transmit(at(now_ms), &mut Vec::new());
    }
    assert_eq!(left.fault, Some(Fault::TimedOut));
}

fn it_has_nothing_to_say_when_nothing_is_to_be_said(pair: Pair) {
    let mut bench = Bench::new(pair);
    bench.run(15_000, usize::MAX);
    for side in [&mut bench.left, &mut bench.right] {
        let mut bytes = Vec::new();
        side.session.transmit(at(bench.now_ms), &mut bytes);
        assert!(bytes.is_empty());
        assert_eq!(side.session.poll(), None);
        assert_eq!(side.session.receive(at(bench.now_ms), &[]), Ok(()));
        assert!(side.session.deadline().is_some_and(|due| due.0 > bench.now_ms), "a deadline that is past would spin");
    }
}

fn no_item_makes_it_panic_at_any_stage(pair: Pair) {
    let addresses: Vec<_> = (1..100).map(|port| format!("node{port}.example:{port}").parse().unwrap()).collect();
    let items = [
        item(&dated(1)),
        item(&common::plain(1)),
        Item::Control(Control::Peers(addresses)),
        Item::Control(Control::Speaks { carries: Carries::Records, node_key: None, tls_port: 1 }),
        Item::Control(Control::Wallet { text: vec![0xff; 5000] }),
        Item::Control(Control::AskAccounts { question: 1, first: u32::MAX, count: u32::MAX }),
        Item::Control(Control::Accounts { question: 1, answer: Err(NoAnswer::Broken) }),
        Item::Control(Control::Accounts { question: 1, answer: Ok(AccountsAnswer { block: None, accounts: vec![] }) }),
        Item::Control(Control::Bye { code: ByeCode::Other(200), text: "\u{e9}".repeat(1000) }),
    ];
    for early in [true, false] {
        let mut bench = Bench::new(pair);
        if !early {
            bench.run(15_000, usize::MAX);
        }
        for item in items.iter().chain(&items) {
            bench.left.session.send(at(bench.now_ms), item);
        }
        bench.run(60_000, usize::MAX);
        // However it went, the last of the items ended it or made it end.
        assert!(bench.left.opened() || early);
    }
}

fn no_bytes_make_it_panic(pair: Pair, bytes: &[u8], cut: usize) {
    // From the first byte on, and in the middle of a handshake that was going well.
    let mut bench = Bench::new(pair);
    let mut good = Vec::new();
    bench.left.session.transmit(at(0), &mut good);
    good.truncate(cut % (good.len() + 1));
    for side in [&mut bench.right, &mut bench.left] {
        let mut fault = side.session.receive(at(0), &good).err();
        for piece in bytes.chunks(500) {
            if fault.is_none() {
                fault = side.session.receive(at(1), piece).err();
            }
            side.drain();
            let mut out = Vec::new();
            side.session.transmit(at(1), &mut out);
            assert!(out.len() < 10_000, "it says more than a stranger should be told");
        }
        assert!(!side.opened());
    }
    // And behind one that is done.
    let mut bench = Bench::new(pair);
    bench.run(15_000, usize::MAX);
    let now = at(bench.now_ms);
    if bench.left.session.receive(now, bytes).is_err() {
        let mut out = Vec::new();
        bench.left.session.transmit(now, &mut out);
        out.clear();
        bench.left.session.transmit(now, &mut out);
        assert!(out.is_empty(), "a farewell ends");
    }
}
