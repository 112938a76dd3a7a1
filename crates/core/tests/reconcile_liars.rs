//! What a peer that lies can make an exchange cost: each lie meets the bound that is named, and no message upsets it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod reconcile_common;

use nightjar_core::fault::Fault;
use nightjar_core::reconcile::{
    ASK_LOTS_MAX, ASK_SPANS_MAX, Answer, Budget, DEPTH_MAX, End, Entry, FUTILE_MAX, Fingerprint, HOUR_S, HourList,
    LIST_MAX, LOTS_WAITING_MAX, Limits, Lot, MESSAGE_BYTES_MAX, MemoryIndex, Message, Output, PARTS_MAX, Part,
    ROUNDS_MAX, SERVED_BEYOND_MAX, Session, Span, StopCode, Tally, UNSERVED_MAX, WANT_RECORDS_MAX, WORK_BASE,
    WORK_PER_ENTRY,
};
use nightjar_core::time::Now;
use proptest::prelude::*;

use reconcile_common::{ALL, HOUR, entry, hours, index, now};

const NEVER: Fingerprint = Fingerprint([0xee; 24]);

fn claim(count: u32) -> Tally {
    Tally { count, fingerprint: NEVER }
}

fn list(count: u32, hours: usize) -> Message {
    Message::Hours(HourList::new(HOUR, vec![claim(count); hours]).unwrap())
}

fn span(from: u32, to: u32) -> Span {
    Span::new(entry_at(from), entry_at(to)).unwrap()
}

const fn entry_at(second: u32) -> Entry {
    Entry::first_of(HOUR * HOUR_S + second)
}

fn hour(number: u32) -> Span {
    span(number * HOUR_S, (number + 1) * HOUR_S)
}

/// A session with nothing but liars to talk to.
struct Victim {
    index: MemoryIndex,
    session: Session,
}

impl Victim {
    fn that_asks(index: MemoryIndex, count: u32) -> Self {
        let mut victim = Self { index, session: Session::ask(now(), hours(count), Limits::default()) };
        assert!(matches!(victim.turn()[..], [Message::Hours(_)]));
        victim
    }

    fn that_answers(index: MemoryIndex, count: u32) -> Self {
        let mut victim = Self { index, session: Session::answer(now(), hours(count), Limits::default()) };
        victim.hear(list(0, count as usize)).unwrap();
        assert!(matches!(victim.turn()[..], [Message::Hours(_)]));
        victim
    }

    fn hear(&mut self, message: Message) -> Result<(), End> {
        self.session.receive(now(), message)
    }

    fn turn(&mut self) -> Vec<Message> {
        self.outputs()
            .into_iter()
            .filter_map(|output| match output {
                Output::Send(message) => Some(message),
                Output::Serve(_) => None,
            })
            .collect()
    }

    fn outputs(&mut self) -> Vec<Output> {
        self.session.turn(now(), &self.index, &mut ALL.clone())
    }

    /// The questions of the next turn, answered each in the same way until the end.
    fn answered(&mut self, mut answer: impl FnMut(&Span) -> Answer) -> End {
        loop {
            for message in self.turn() {
                match message {
                    Message::Ask { spans, .. } => {
                        for some in spans.chunks(16) {
                            let answers = some.iter().map(&mut answer).collect();
                            if self.hear(Message::Tell { answers, last: false }).is_err() {
                                return self.session.ended().unwrap();
                            }
                        }
                        self.hear(Message::Tell { answers: Vec::new(), last: true }).unwrap();
                    }
                    Message::Stop(_) => return self.session.ended().unwrap(),
                    Message::Want { .. } => {}
                    other => panic!("{other:?} is no question"),
                }
            }
            if let Some(end) = self.session.ended() {
                return end;
            }
        }
    }
}

#[test]
fn who_claims_all_and_serves_nothing_is_left() {
    let mut victim = Victim::that_asks(index([]), 168);
    victim.hear(list(100, 168)).unwrap();
    let mut wants = 0;
    let end = loop {
        for message in victim.turn() {
            if let Message::Want { lots, .. } = message {
                wants += 1;
                let done = lots.len() as u32;
                let _ended = victim.hear(Message::Served { done, at: None });
            }
        }
        if let Some(end) = victim.session.ended() {
            break end;
        }
    };
    assert_eq!((end, wants), (End::NotServed, UNSERVED_MAX / 200 + 1));
    assert_eq!(end.fault(), None, "an honest peer may have dropped what it had");
    assert_eq!(victim.turn(), [Message::Stop(StopCode::Limit)], "it is told, once");
    assert_eq!(victim.turn(), []);
}

#[test]
fn a_huge_count_is_one_promise_that_is_not_kept() {
    let mut victim = Victim::that_asks(index([]), 1);
    victim.hear(list(u32::MAX, 1)).unwrap();
    let [Message::Want { lots, most: WANT_RECORDS_MAX }] = &victim.turn()[..] else { panic!("it wants some") };
    assert_eq!(lots.len(), 1);
    assert_eq!(victim.hear(Message::Served { done: 1, at: None }), Err(End::NotServed));
}

#[test]
fn who_stops_before_all_came_that_was_to_come_is_left() {
    for at in [Some(entry_at(9)), None] {
        let mut victim = Victim::that_asks(index([]), 1);
        victim.hear(list(1_000, 1)).unwrap();
        victim.turn();
        assert_eq!(victim.hear(Message::Served { done: 0, at }), Err(End::CutShort));
    }
    // All came, and the place to go on at is not in what was asked for.
    for at in [0, HOUR_S, 2 * HOUR_S] {
        let mut victim = Victim::that_asks(index([]), 1);
        victim.hear(list(1_000, 1)).unwrap();
        victim.turn();
        let came: Vec<_> = (0..WANT_RECORDS_MAX).map(|number| entry(number, number.into())).collect();
        victim.session.arrived(now(), &came, 60_000).unwrap();
        assert_eq!(victim.hear(Message::Served { done: 0, at: Some(entry_at(at)) }), Err(End::Disordered));
    }
}

#[test]
fn records_that_were_not_asked_for_end_the_exchange() {
    let mut victim = Victim::that_asks(index([]), 2);
    assert_eq!(victim.session.arrived(now(), &[entry(1, 1)], 300), Err(End::Unasked), "nothing was");
    let mut victim = Victim::that_asks(index([]), 2);
    victim.hear(Message::Hours(HourList::new(HOUR, vec![claim(9), Tally::of([])]).unwrap())).unwrap();
    victim.turn();
    victim.session.arrived(now(), &[entry(1, 1)], 300).unwrap();
    assert_eq!(victim.session.clone().arrived(now(), &[entry(HOUR_S, 1)], 300), Err(End::Unasked), "another hour");
    let many = vec![entry(1, 1); WANT_RECORDS_MAX as usize];
    assert_eq!(victim.session.arrived(now(), &many, 300), Err(End::Unasked), "one more than was asked for");
}

#[test]
fn stretches_within_stretches_end_at_a_depth() {
    let mut victim = Victim::that_asks(index([entry(0, 1)]), 1);
    victim.hear(list(1_000_000, 1)).unwrap();
    let mut depth = 0;
    let ours = entry(0, 1);
    let end = victim.answered(|span| {
        depth += 1;
        // Always a bit less, around the one entry that is there.
        let mut id = ours.id;
        id[depth] = 0xff;
        let upper = Entry { id, ..ours };
        Answer::Parts(vec![Part { upper, tally: claim(1_000_000) }, Part { upper: span.upper(), tally: Tally::of([]) }])
    });
    assert_eq!((end, depth), (End::Deep, usize::from(DEPTH_MAX) + 1));
    assert_eq!(end.fault(), Some(Fault::Malformed));
}

#[test]
fn stretches_that_overlap_run_backward_or_lie_elsewhere_are_refused() {
    let part = |second| Part { upper: entry_at(second), tally: claim(1) };
    let end = part(HOUR_S);
    let bad = [
        Answer::Parts(Vec::new()),
        Answer::Parts(vec![end]),
        Answer::Parts(vec![part(9), part(9), end]),
        Answer::Parts(vec![part(9), part(8), end]),
        Answer::Parts(vec![part(0), end]),
        Answer::Parts(vec![part(8), part(9)]),
        Answer::Parts(vec![part(8), part(HOUR_S + 1)]),
        Answer::Parts((0..PARTS_MAX as u32).map(|number| part(number + 1)).chain([end]).collect()),
        Answer::Entries(vec![entry_at(9), entry_at(9)]),
        Answer::Entries(vec![entry_at(9), entry_at(8)]),
        Answer::Entries(vec![entry_at(HOUR_S)]),
        Answer::Entries((0..=LIST_MAX as u32).map(entry_at).collect()),
    ];
    for answer in bad {
        let mut victim = Victim::that_asks(index([entry(5, 5)]), 1);
        victim.hear(list(1_000, 1)).unwrap();
        assert_eq!(victim.answered(|_| answer.clone()), End::Disordered, "{answer:?}");
    }
}

#[test]
fn invented_ids_are_held_up_to_a_bound_and_then_no_more_are_asked_for() {
    // In each stretch one entry of ours, so that the liar is asked for lists.
    let mut victim = Victim::that_asks(index((0..168 * 100).map(|number| entry(number * 36, number.into()))), 168);
    victim.hear(list(30_000, 168)).unwrap();
    let (mut invented, mut idle) = (0u64, 0);
    while idle < 3 {
        idle += 1;
        for message in victim.turn() {
            if let Message::Ask { spans, .. } = message {
                idle = 0;
                for span in spans {
                    let list = (0..LIST_MAX as u64).map(|number| {
                        let mut id = [0; 16];
                        id[..8].copy_from_slice(&(invented + number).to_be_bytes());
                        Entry { expiry: span.lower().expiry + 1, id }
                    });
                    victim.hear(Message::Tell { answers: vec![Answer::Entries(list.collect())], last: false }).unwrap();
                    invented += LIST_MAX as u64;
                }
                victim.hear(Message::Tell { answers: Vec::new(), last: true }).unwrap();
            }
        }
    }
    // What one round brings lies above the bound.
    let most = LOTS_WAITING_MAX + ASK_SPANS_MAX * LIST_MAX + ASK_LOTS_MAX;
    assert!(victim.session.progress().promised as usize <= most, "{:?}", victim.session.progress());
    assert!(victim.session.ended().is_none());
}

#[test]
fn who_asks_may_tell_of_as_much_as_can_be_held_and_waits_then() {
    let mut victim = Victim::that_answers(index([]), 1);
    let mut told = 0;
    loop {
        let lots = (0..ASK_LOTS_MAX as u64).map(|number| Lot::One(entry(7, told + number))).collect();
        victim.hear(Message::Ask { spans: Vec::new(), lots }).unwrap();
        told += ASK_LOTS_MAX as u64;
        if !victim.turn().iter().any(|message| matches!(message, Message::Tell { last: true, .. })) {
            break;
        }
    }
    assert!(told as usize <= LOTS_WAITING_MAX + 2 * ASK_LOTS_MAX, "{told} are held");
    let again = Message::Ask { spans: vec![hour(0)], lots: Vec::new() };
    assert_eq!(victim.hear(again), Err(End::OutOfTurn), "nothing was confirmed");
}

#[test]
fn fingerprints_that_never_match_end_the_exchange() {
    let held: Vec<_> = (0..168 * HOUR_S).step_by(300).map(|second| entry(second, second.into())).collect();
    let mut victim = Victim::that_asks(index(held.iter().copied()), 168);
    victim.hear(list(12, 168)).unwrap();
    let mut answers = 0;
    let end = victim.answered(|span| {
        answers += 1;
        let uppers = (1..=12).map(|part| Entry::first_of(span.lower().expiry + part * 300));
        if span.upper().expiry - span.lower().expiry == HOUR_S {
            Answer::Parts(uppers.map(|upper| Part { upper, tally: claim(1) }).collect())
        } else {
            Answer::Entries(held.iter().copied().filter(|entry| span.contains(entry)).collect())
        }
    });
    assert_eq!((end, end.fault()), (End::Futile, None), "sets that change bring some");
    assert!(answers <= 168 + FUTILE_MAX as usize + ASK_SPANS_MAX, "{answers}");
}

#[test]
fn questions_visit_our_entries_so_often_and_not_more() {
    let held = 20_000;
    let mut victim = Victim::that_answers(index((0..held).map(|number| entry(number % HOUR_S, number.into()))), 1);
    let mut visits = 0;
    let end = loop {
        let _ended = victim.hear(Message::Ask { spans: vec![hour(0); ASK_SPANS_MAX], lots: Vec::new() });
        let mut budget = ALL;
        victim.session.turn(now(), &victim.index, &mut budget);
        visits += ALL.work - budget.work;
        if let Some(end) = victim.session.ended() {
            break end;
        }
    };
    assert_eq!((end, end.fault()), (End::Work, Some(Fault::TooMany)));
    let turn = ASK_SPANS_MAX as u64 * (u64::from(held) + 2);
    assert!(visits <= WORK_BASE + WORK_PER_ENTRY * u64::from(held) + turn, "{visits}");
}

#[test]
fn no_turn_visits_more_than_its_budget_and_one_list() {
    let held = 20_000;
    let mut victim = Victim::that_answers(index((0..held).map(|number| entry(number % HOUR_S, number.into()))), 1);
    victim.hear(Message::Ask { spans: vec![hour(0); 8], lots: Vec::new() }).unwrap();
    let mut turns = 0;
    loop {
        turns += 1;
        let mut budget = Budget { work: 1_000, ..ALL };
        let out = victim.session.turn(now(), &victim.index, &mut budget);
        if out.iter().any(|output| matches!(output, Output::Send(Message::Tell { last: true, .. }))) {
            break;
        }
    }
    assert!(turns >= 160, "8 times 20,000 visits took {turns} turns");
}

#[test]
fn a_peer_fetches_no_more_than_is_held() {
    let held = 3_000;
    let mut victim = Victim::that_answers(index((0..held).map(|number| entry(number % HOUR_S, number.into()))), 1);
    let mut served = 0;
    loop {
        let want = Message::Want { lots: vec![Lot::All { span: hour(0), count: 9 }], most: WANT_RECORDS_MAX };
        if victim.hear(want).is_err() {
            break;
        }
        for output in victim.outputs() {
            if let Output::Serve(entries) = output {
                served += entries.len() as u64;
            }
        }
        if victim.session.ended().is_some() {
            break;
        }
    }
    assert_eq!(victim.session.ended(), Some(End::Greedy));
    assert!(served <= u64::from(held) + SERVED_BEYOND_MAX, "{served}");
}

#[test]
fn rounds_and_bytes_have_a_bound() {
    let held: Vec<_> = (0..ASK_LOTS_MAX as u32).map(|number| entry(number, number.into())).collect();
    // What is here already is not fetched, so that the liar may go on.
    let short = held.iter().copied().map(Lot::One).take(1).collect();
    let long = held.iter().map(|entry| {
        let mut id = entry.id;
        id[15] |= 1;
        let upper = Entry { expiry: entry.expiry + 1, id };
        Lot::All { span: Span::new(Entry { id, ..*entry }, upper).unwrap(), count: 0 }
    });
    for (lots, end) in [(short, End::Rounds), (long.collect::<Vec<_>>(), End::Wordy)] {
        let mut victim = Victim::that_answers(index(held.iter().copied()), 1);
        let mut rounds = 0;
        let ended = loop {
            rounds += 1;
            if let Err(end) = victim.hear(Message::Ask { spans: Vec::new(), lots: lots.clone() }) {
                break end;
            }
            assert_eq!(victim.turn().len(), 1);
        };
        assert_eq!(ended, end, "after {rounds} rounds");
        assert!(rounds <= ROUNDS_MAX + 1);
    }
}

#[test]
fn what_lies_outside_of_the_hours_is_refused() {
    let mut victim = Victim::that_asks(index([]), 2);
    let beyond = Message::Hours(HourList::new(HOUR + 1, vec![claim(1); 2]).unwrap());
    assert_eq!(victim.hear(beyond), Err(End::Disordered));
    let messages = [
        Message::Ask { spans: vec![hour(2)], lots: Vec::new() },
        Message::Ask { spans: Vec::new(), lots: vec![Lot::One(entry(2 * HOUR_S, 1))] },
        Message::Want { lots: vec![Lot::All { span: hour(2), count: 1 }], most: 1 },
        Message::Want { lots: Vec::new(), most: 1 },
        Message::Ask { spans: vec![hour(0); ASK_SPANS_MAX + 1], lots: Vec::new() },
        Message::Ask { spans: Vec::new(), lots: vec![Lot::One(entry(1, 1)); ASK_LOTS_MAX + 1] },
    ];
    for message in messages {
        let mut victim = Victim::that_answers(index([]), 2);
        assert_eq!(victim.hear(message.clone()), Err(End::Disordered), "{message:?}");
    }
}

#[test]
fn messages_out_of_turn_are_refused() {
    let ask = || Message::Ask { spans: vec![hour(0)], lots: Vec::new() };
    let want = |most| Message::Want { lots: vec![Lot::All { span: hour(0), count: 1 }], most };
    let served = || Message::Served { done: 0, at: None };
    let tell = |last| Message::Tell { answers: Vec::new(), last };
    let answering = || Victim::that_answers(index([entry(1, 1)]), 1);
    let finding = || {
        let mut victim = Victim::that_asks(index([entry(1, 1)]), 1);
        victim.hear(list(9, 1)).unwrap();
        victim
    };
    let refused = |mut victim: Victim, messages: Vec<Message>| {
        let last = messages.len() - 1;
        for (number, message) in messages.into_iter().enumerate() {
            let text = format!("{message:?}");
            assert_eq!(victim.hear(message), if number == last { Err(End::OutOfTurn) } else { Ok(()) }, "{text}");
        }
        assert_eq!(victim.turn(), [Message::Stop(StopCode::Fault)]);
    };
    for message in [ask(), want(1), served(), tell(true), Message::Done] {
        refused(Victim::that_asks(index([]), 1), vec![message.clone()]);
        let session = Session::answer(now(), hours(1), Limits::default());
        refused(Victim { index: index([]), session }, vec![message]);
    }
    for messages in [
        vec![list(1, 1)],
        vec![tell(true)],
        vec![served()],
        vec![want(0)],
        vec![want(WANT_RECORDS_MAX + 1)],
        vec![want(1), want(1)],
        vec![want(1), Message::Done],
        vec![ask(), ask()],
        vec![ask(), Message::Done],
        vec![Message::Ask { spans: Vec::new(), lots: Vec::new() }],
        vec![Message::Done, ask()],
        vec![Message::Done, want(1)],
        vec![Message::Done, Message::Done],
    ] {
        refused(answering(), messages);
    }
    for messages in [vec![list(1, 1)], vec![tell(true)], vec![ask()], vec![served()], vec![Message::Done]] {
        refused(finding(), messages);
    }
    let mut victim = finding();
    assert!(matches!(victim.turn()[..], [Message::Ask { .. }]));
    for message in [tell(false), tell(true)] {
        let mut victim = Victim { index: victim.index.clone(), session: victim.session.clone() };
        assert_eq!(victim.hear(message), Err(End::OutOfTurn), "one question is open");
    }
}

#[test]
fn a_peer_that_falls_silent_or_never_comes_to_an_end_is_let_go() {
    let limits = Limits { silence_ms: 1_000, lasting_ms: 5_000, ..Limits::default() };
    let at = |ms| Now::new(ms, 0);
    let empty = index([]);
    let mut session = Session::answer(at(0), hours(1), limits);
    assert_eq!(session.deadline(), at(1_000).mono);
    assert_eq!(session.turn(at(999), &empty, &mut ALL.clone()), []);
    assert_eq!(session.turn(at(1_000), &empty, &mut ALL.clone()), [Output::Send(Message::Stop(StopCode::Time))]);
    assert_eq!(session.ended(), Some(End::Silent));

    let mut session = Session::answer(at(0), hours(1), limits);
    session.receive(at(900), list(0, 1)).unwrap();
    for second in 1..5 {
        session.turn(at(second * 1_000), &empty, &mut ALL.clone());
        session.receive(at(second * 1_000), Message::Ask { spans: vec![hour(0)], lots: Vec::new() }).unwrap();
    }
    assert_eq!((session.ended(), session.deadline()), (None, at(5_000).mono));
    session.turn(at(5_000), &empty, &mut ALL.clone());
    assert_eq!(session.ended(), Some(End::Lasting));
    assert_eq!(session.receive(at(5_001), Message::Done), Ok(()), "what was on its way means nothing");
}

#[test]
fn an_exchange_is_closed_when_both_have_said_so() {
    let mut asks = Victim::that_asks(index([entry(1, 1)]), 1);
    let mut answers = Victim::that_answers(index([]), 1);
    // The one ends it; what the other sent before it knew of that means nothing.
    assert_eq!(asks.hear(Message::Done), Err(End::OutOfTurn));
    assert!(!asks.session.is_closed());
    let [stop] = &asks.turn()[..] else { panic!("it says so") };
    assert_eq!(asks.hear(Message::Tell { answers: Vec::new(), last: true }), Ok(()));
    assert!(!asks.session.is_closed());
    assert_eq!(answers.hear(stop.clone()), Err(End::Stopped(StopCode::Fault)));
    assert!(!answers.session.is_closed(), "it has to say that it heard it");
    let [heard] = &answers.turn()[..] else { panic!("it says so") };
    assert_eq!(*heard, Message::Stop(StopCode::Heard));
    assert!(answers.session.is_closed());
    assert_eq!(asks.hear(heard.clone()), Ok(()));
    assert!(asks.session.is_closed());
    assert_eq!((asks.turn(), answers.turn()), (Vec::new(), Vec::new()));
}

fn any_place() -> impl Strategy<Value = Entry> {
    (0..2 * HOUR_S + 9, 0u64..4, any::<bool>())
        .prop_map(|(second, number, plain)| if plain { entry_at(second) } else { entry(second / 600 * 600, number) })
}

fn any_span() -> impl Strategy<Value = Span> {
    prop_oneof![
        Just(hour(0)),
        Just(hour(1)),
        (any_place(), any_place()).prop_filter_map("no stretch", |(a, b)| Span::new(a.min(b), a.max(b))),
    ]
}

fn any_lots() -> impl Strategy<Value = Vec<Lot>> {
    let all = (any_span(), 0u32..2_000).prop_map(|(span, count)| Lot::All { span, count });
    prop::collection::vec(prop_oneof![any_place().prop_map(Lot::One), all], 0..9)
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let part = (any_place(), 0u32..9).prop_map(|(upper, count)| Part { upper, tally: claim(count) });
    let parts = (prop::collection::vec(part, 0..17), any_span(), any::<bool>()).prop_map(|(mut parts, span, sound)| {
        if sound {
            parts.push(Part { upper: span.upper(), tally: claim(1) });
            parts.sort_by_key(|part| part.upper);
        }
        Answer::Parts(parts)
    });
    let entries = prop::collection::btree_set(any_place(), 0..33);
    prop_oneof![parts, entries.prop_map(|entries| Answer::Entries(entries.into_iter().collect()))]
}

fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        (0usize..4, 0u32..3_000).prop_map(|(hours, count)| list(count, hours)),
        (prop::collection::vec(any_span(), 0..9), any_lots()).prop_map(|(spans, lots)| Message::Ask { spans, lots }),
        (prop::collection::vec(any_answer(), 0..3), any::<bool>())
            .prop_map(|(answers, last)| Message::Tell { answers, last }),
        (any_lots(), 0u32..300).prop_map(|(lots, most)| Message::Want { lots, most }),
        (0u32..9, prop::option::of(any_place())).prop_map(|(done, at)| Message::Served { done, at }),
        Just(Message::Done),
        any::<u8>().prop_map(|code| Message::Stop(StopCode::from_byte(code))),
    ]
}

proptest! {
    #[test]
    fn no_messages_make_a_session_panic_or_say_more_than_a_message_holds(
        asks: bool, messages in prop::collection::vec(any_message(), 0..12), work in 0u64..500, bytes in 0usize..70_000,
    ) {
        let held = index((0..100).map(|number| entry(number * 60, (number % 4).into())));
        let mut victim = if asks { Victim::that_asks(held, 2) } else { Victim::that_answers(held, 2) };
        if asks {
            victim.hear(list(90, 2)).unwrap();
        }
        for message in messages {
            // The one that is wrong ends it; another goes on in its place.
            let before = victim.session.clone();
            if victim.hear(message).is_err() {
                victim.session = before;
            }
            let mut budget = Budget { work, bytes };
            for output in victim.session.turn(now(), &victim.index, &mut budget) {
                match output {
                    Output::Send(message) => prop_assert!(message.fits() && message.bytes() <= MESSAGE_BYTES_MAX),
                    Output::Serve(entries) => {
                        prop_assert!(entries.iter().all(|entry| entry.hour() < HOUR + 2));
                        prop_assert!(entries.len() * 290 <= bytes && entries.len() as u64 <= work);
                    }
                }
            }
        }
    }
}
