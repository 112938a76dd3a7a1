//! No bytes make the reader of catch-up's messages panic, or take more than a message holds; and none upset an exchange.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_core::reconcile::{Budget, Entry, HOUR_S, Hours, Limits, MemoryIndex, Message, Output, Session};
use nightjar_core::time::Now;
use nightjar_wire::secure::catch_up::{parse, write};

const HOUR: u32 = 500_000;

#[test]
fn catch_up() {
    bolero::check!().for_each(|bytes: &[u8]| {
        read(bytes);
        // So that what is behind the first byte is reached, each kind.
        (1..=7).for_each(|kind| read(&[&[kind], bytes].concat()));
    });
}

fn read(bytes: &[u8]) {
    let Ok((message, asks)) = parse(bytes) else { return };
    assert!(message.fits() && message.bytes() == bytes.len());
    let mut again = Vec::new();
    // Only what ascends can be written: what does not is refused by the session.
    if let Message::Hours(_) | Message::Ask { .. } | Message::Want { .. } = message {
        write(&message, asks, &mut again);
        assert_eq!(again, bytes);
    }
}

/// An exchange of which some bytes are changed on the way.
#[test]
fn exchange() {
    bolero::check!().with_type::<Vec<(u8, u16, u8)>>().for_each(|changes| {
        let now = Now::new(0, 0);
        let hours = Hours::new(HOUR, 2).unwrap();
        let mut sides = [
            (index(0..150), Session::ask(now, hours, Limits::default())),
            (index(50..220), Session::answer(now, hours, Limits::default())),
        ];
        let mut changes = changes.iter();
        for turn in 0..60 {
            let (from, to) = (turn % 2, (turn + 1) % 2);
            let mut budget = Budget { work: 10_000, bytes: 100_000 };
            let (index, session) = &mut sides[from];
            let out = session.turn(now, index, &mut budget);
            for output in out {
                match output {
                    Output::Send(message) => {
                        let mut bytes = Vec::new();
                        write(&message, from == 0, &mut bytes);
                        if let Some((wait, at, with)) = changes.next()
                            && wait % 4 == 0
                        {
                            let at = usize::from(*at) % bytes.len();
                            bytes[at] ^= with;
                        }
                        if let Ok((message, _)) = parse(&bytes) {
                            let _ended = sides[to].1.receive(now, message);
                        }
                    }
                    Output::Serve(entries) => {
                        let (index, session) = &mut sides[to];
                        if session.arrived(now, &entries, 300 * entries.len() as u64).is_ok() {
                            entries.into_iter().for_each(|entry| {
                                index.insert(entry);
                            });
                        }
                    }
                }
            }
        }
        assert!(sides.iter().all(|(index, _)| index.len() <= 220));
    });
}

fn index(numbers: std::ops::Range<u32>) -> MemoryIndex {
    let mut index = MemoryIndex::default();
    for number in numbers {
        let mut id = [0; 16];
        id[0] = (number % 7) as u8;
        id[1..5].copy_from_slice(&number.to_be_bytes());
        index.insert(Entry { expiry: HOUR * HOUR_S + number % 20 * 300, id });
    }
    index
}
