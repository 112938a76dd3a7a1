//! The messages of catch-up in bytes; `docs/wire/catch-up.md` has them. Never knows what was said before: whether a message may
//! come now, and what it means, is for `nightjar_core::reconcile` to say.

use nightjar_core::fault::Fault;
use nightjar_core::reconcile::{
    ASK_LOTS_MAX, ASK_SPANS_MAX, Answer, Entry, Fingerprint, HourList, ID_BYTES, LIST_MAX, Lot, Message, PARTS_MAX,
    Part, Span, StopCode, Tally,
};

use crate::body::Body;

/// Set in the first byte by the side that began the exchange: a link can have one that each side began.
pub(super) const ASKS: u8 = 0x80;

/// The first byte without [`ASKS`].
mod kind {
    pub(super) const HOURS: u8 = 1;
    pub(super) const ASK: u8 = 2;
    pub(super) const TELL: u8 = 3;
    pub(super) const WANT: u8 = 4;
    pub(super) const SERVED: u8 = 5;
    pub(super) const DONE: u8 = 6;
    pub(super) const STOP: u8 = 7;
}

/// What begins an answer, or a lot.
mod form {
    pub(super) const PARTS: u8 = 0;
    pub(super) const ENTRIES: u8 = 1;
    pub(super) const ONE: u8 = 0;
    pub(super) const ALL: u8 = 1;
}

/// Writes the message, as of the side that began the exchange if it `asks`: [`Message::bytes`] bytes.
pub fn write(message: &Message, asks: bool, bytes: &mut Vec<u8>) {
    let side = if asks { ASKS } else { 0 };
    let mut begin = |kind: u8| bytes.push(kind | side);
    match message {
        Message::Hours(list) => {
            begin(kind::HOURS);
            bytes.extend_from_slice(&list.hours().first().to_le_bytes());
            bytes.push(few(list.tallies().len()));
            list.tallies().iter().for_each(|tally| write_tally(tally, bytes));
        }
        Message::Ask { spans, lots } => {
            begin(kind::ASK);
            bytes.push(few(spans.len()));
            bytes.extend_from_slice(&some(lots.len()).to_le_bytes());
            spans.iter().for_each(|span| write_span(span, bytes));
            lots.iter().for_each(|lot| write_lot(lot, bytes));
        }
        Message::Tell { answers, last } => {
            begin(kind::TELL);
            bytes.push(u8::from(*last));
            bytes.extend_from_slice(&some(answers.len()).to_le_bytes());
            answers.iter().for_each(|answer| write_answer(answer, bytes));
        }
        Message::Want { lots, most } => {
            begin(kind::WANT);
            bytes.extend_from_slice(&most.to_le_bytes());
            bytes.extend_from_slice(&some(lots.len()).to_le_bytes());
            lots.iter().for_each(|lot| write_lot(lot, bytes));
        }
        Message::Served { done, at } => {
            begin(kind::SERVED);
            let done = usize::try_from(*done).map_or(u16::MAX, some);
            bytes.extend_from_slice(&done.to_le_bytes());
            bytes.push(u8::from(at.is_some()));
            if let Some(at) = at {
                bytes.extend_from_slice(&at.expiry.to_le_bytes());
                write_place(at, bytes);
            }
        }
        Message::Done => begin(kind::DONE),
        Message::Stop(code) => {
            begin(kind::STOP);
            bytes.push(code.byte());
        }
    }
}

/// The message that fills these bytes, and whether it is of the side that began the exchange.
pub fn parse(bytes: &[u8]) -> Result<(Message, bool), Fault> {
    let mut body = Body(bytes);
    let first = body.u8()?;
    let message = match first & !ASKS {
        kind::HOURS => {
            let first = body.u32()?;
            let count = usize::from(body.u8()?);
            let tallies = many(count, usize::MAX, || read_tally(&mut body))?;
            Message::Hours(HourList::new(first, tallies).ok_or(Fault::Oversize)?)
        }
        kind::ASK => {
            let (spans, lots) = (usize::from(body.u8()?), usize::from(body.u16()?));
            let spans = many(spans, ASK_SPANS_MAX, || read_span(&mut body))?;
            Message::Ask { spans, lots: many(lots, ASK_LOTS_MAX, || read_lot(&mut body))? }
        }
        kind::TELL => {
            let last = read_flag(&mut body)?;
            let count = usize::from(body.u16()?);
            Message::Tell { answers: many(count, ASK_SPANS_MAX, || read_answer(&mut body))?, last }
        }
        kind::WANT => {
            let most = body.u32()?;
            let count = usize::from(body.u16()?);
            Message::Want { lots: many(count, ASK_LOTS_MAX, || read_lot(&mut body))?, most }
        }
        kind::SERVED => {
            let done = u32::from(body.u16()?);
            let begun = read_flag(&mut body)?;
            let at = if begun { Some(body.u32().and_then(|expiry| read_place(expiry, &mut body))?) } else { None };
            Message::Served { done, at }
        }
        kind::DONE => Message::Done,
        kind::STOP => Message::Stop(StopCode::from_byte(body.u8()?)),
        _ => return Err(Fault::Malformed),
    };
    body.end()?;
    Ok((message, first & ASKS != 0))
}

/// So many of what `read` gives, if they are not too many.
fn many<T>(count: usize, most: usize, read: impl FnMut() -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    if count > most {
        return Err(Fault::Oversize);
    }
    std::iter::repeat_with(read).take(count).collect()
}

fn few(count: usize) -> u8 {
    u8::try_from(count).expect("a session says no more than 255 of these at once")
}

fn some(count: usize) -> u16 {
    u16::try_from(count).expect("a session says no more than 65,535 of these at once")
}

/// A second as it is said where one before it is known.
fn offset(base: u32, expiry: u32) -> [u8; 2] {
    let offset = expiry.checked_sub(base).and_then(|offset| u16::try_from(offset).ok());
    offset.expect("what a session says together ascends, and lies in one hour").to_le_bytes()
}

fn read_flag(body: &mut Body<'_>) -> Result<bool, Fault> {
    match body.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Fault::Malformed),
    }
}

fn read_offset(base: u32, body: &mut Body<'_>) -> Result<u32, Fault> {
    base.checked_add(body.u16()?.into()).ok_or(Fault::Malformed)
}

fn write_tally(tally: &Tally, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&tally.count.to_le_bytes());
    bytes.extend_from_slice(&tally.fingerprint.0);
}

fn read_tally(body: &mut Body<'_>) -> Result<Tally, Fault> {
    Ok(Tally { count: body.u32()?, fingerprint: Fingerprint(body.array()?) })
}

fn write_place(place: &Entry, bytes: &mut Vec<u8>) {
    bytes.push(few(place.significant().len()));
    bytes.extend_from_slice(place.significant());
}

/// A place has one form: a zero at the end would be another.
fn read_place(expiry: u32, body: &mut Body<'_>) -> Result<Entry, Fault> {
    let length = usize::from(body.u8()?);
    let significant = body.bytes(length)?;
    let mut id = [0; ID_BYTES];
    id.get_mut(..length).ok_or(Fault::Malformed)?.copy_from_slice(significant);
    if significant.last() == Some(&0) { Err(Fault::Malformed) } else { Ok(Entry { expiry, id }) }
}

fn write_span(span: &Span, bytes: &mut Vec<u8>) {
    let (lower, upper) = (span.lower(), span.upper());
    bytes.extend_from_slice(&lower.expiry.to_le_bytes());
    write_place(&lower, bytes);
    bytes.extend_from_slice(&offset(lower.expiry, upper.expiry));
    write_place(&upper, bytes);
}

fn read_span(body: &mut Body<'_>) -> Result<Span, Fault> {
    let base = body.u32()?;
    let lower = read_place(base, body)?;
    let upper = read_offset(base, body).and_then(|expiry| read_place(expiry, body))?;
    Span::new(lower, upper).ok_or(Fault::Malformed)
}

fn write_lot(lot: &Lot, bytes: &mut Vec<u8>) {
    match lot {
        Lot::One(entry) => {
            bytes.push(form::ONE);
            bytes.extend_from_slice(&entry.expiry.to_le_bytes());
            bytes.extend_from_slice(&entry.id);
        }
        Lot::All { span, count } => {
            bytes.push(form::ALL);
            write_span(span, bytes);
            bytes.extend_from_slice(&count.to_le_bytes());
        }
    }
}

fn read_lot(body: &mut Body<'_>) -> Result<Lot, Fault> {
    match body.u8()? {
        form::ONE => Ok(Lot::One(Entry { expiry: body.u32()?, id: body.array()? })),
        form::ALL => Ok(Lot::All { span: read_span(body)?, count: body.u32()? }),
        _ => Err(Fault::Malformed),
    }
}

fn write_answer(answer: &Answer, bytes: &mut Vec<u8>) {
    let (form, first, count) = match answer {
        Answer::Parts(parts) => (form::PARTS, parts.first().map(|part| part.upper), parts.len()),
        Answer::Entries(entries) => (form::ENTRIES, entries.first().copied(), entries.len()),
    };
    let base = first.map_or(0, |first| first.expiry);
    bytes.push(form);
    bytes.extend_from_slice(&base.to_le_bytes());
    bytes.push(few(count));
    match answer {
        Answer::Parts(parts) => {
            for part in parts {
                bytes.extend_from_slice(&offset(base, part.upper.expiry));
                write_place(&part.upper, bytes);
                write_tally(&part.tally, bytes);
            }
        }
        Answer::Entries(entries) => {
            for entry in entries {
                bytes.extend_from_slice(&offset(base, entry.expiry));
                bytes.extend_from_slice(&entry.id);
            }
        }
    }
}

fn read_answer(body: &mut Body<'_>) -> Result<Answer, Fault> {
    let form = body.u8()?;
    let base = body.u32()?;
    let count = usize::from(body.u8()?);
    match form {
        form::PARTS => many(count, PARTS_MAX, || {
            let upper = read_offset(base, body).and_then(|expiry| read_place(expiry, body))?;
            Ok(Part { upper, tally: read_tally(body)? })
        })
        .map(Answer::Parts),
        form::ENTRIES => many(count, LIST_MAX, || Ok(Entry { expiry: read_offset(base, body)?, id: body.array()? }))
            .map(Answer::Entries),
        _ => Err(Fault::Malformed),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

    use nightjar_core::reconcile::{HOUR_S, HOURS_MAX, Hours};
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = include_str!("../../../../docs/wire/catch-up.md");

    fn written(message: &Message, asks: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(message, asks, &mut bytes);
        assert_eq!(bytes.len(), message.bytes());
        bytes
    }

    fn place(expiry: u32, significant: &[u8]) -> Entry {
        let mut place = Entry::first_of(expiry);
        place.id[..significant.len()].copy_from_slice(significant);
        place
    }

    #[test]
    fn the_examples_of_the_page_are_what_is_written_and_read() {
        let second = 500_000 * HOUR_S;
        let entries = [place(second + 5, &[0xaa; ID_BYTES]), place(second + 5, &[0xbb; ID_BYTES])];
        let tally = Tally::of(entries);
        let span = Span::new(place(second, &[]), place(second + 5, &[0xab])).unwrap();
        let lots = vec![Lot::One(entries[0]), Lot::All { span, count: 2 }];
        let parts = vec![
            Part { upper: place(second + 5, &[0xab]), tally: Tally::of(entries[..1].iter().copied()) },
            Part { upper: place(second + HOUR_S, &[]), tally: Tally::of(entries[1..].iter().copied()) },
        ];
        let page = PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
        let examples = [
            (Message::Hours(HourList::new(500_000, vec![tally, Tally::of([])]).unwrap()), true),
            (Message::Ask { spans: vec![span], lots: Vec::new() }, true),
            (Message::Tell { answers: vec![Answer::Parts(parts)], last: false }, false),
            (Message::Tell { answers: vec![Answer::Entries(entries.to_vec())], last: true }, false),
            (Message::Want { lots, most: 200 }, false),
            (Message::Served { done: 1, at: Some(place(second + 4, &[0xcc])) }, true),
            (Message::Done, true),
            (Message::Stop(StopCode::Limit), false),
        ];
        let mut missing = Vec::new();
        for (message, asks) in examples {
            let bytes = written(&message, asks);
            let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
            if !page.contains(&hex) {
                missing.push(hex);
            }
            assert_eq!(parse(&bytes).unwrap(), (message, asks));
        }
        assert!(missing.is_empty(), "docs/wire/catch-up.md lacks:\n{}", missing.join("\n"));
    }

    #[test]
    fn what_is_no_message_is_malformed_and_what_is_too_much_is_refused() {
        let malformed: [&[u8]; 16] = [
            &[],
            &[0],
            &[8],
            &[kind::DONE, 0],
            &[kind::STOP],
            &[kind::HOURS, 0, 0, 0, 0, 1],
            &[kind::SERVED, 0, 0, 2],
            &[kind::SERVED, 0, 0, 1, 0, 0, 0, 0, 1, 0],
            &[kind::SERVED, 0, 0, 1, 0, 0, 0, 0, 17, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
            &[kind::TELL, 2, 0, 0],
            &[kind::TELL, 1, 1, 0, 2, 0, 0, 0, 0, 0],
            &[
                kind::TELL,
                1,
                1,
                0,
                form::ENTRIES,
                0xff,
                0xff,
                0xff,
                0xff,
                1,
                1,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ],
            &[kind::WANT, 1, 0, 0, 0, 1, 0, 2],
            // A span that ends where it begins, one beyond its hour, and one in an hour that is not whole.
            &[kind::ASK, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[kind::ASK, 1, 0, 0, 0, 0, 0, 0, 0, 0x11, 0x0e, 0],
            &[kind::ASK, 1, 0, 0, 0xf0, 0xff, 0xff, 0xff, 0, 1, 0, 0],
        ];
        for bytes in malformed {
            assert_eq!(parse(bytes), Err(Fault::Malformed), "{bytes:?}");
        }
        let oversize: [&[u8]; 5] = [
            &[kind::ASK, 65, 0, 0],
            &[kind::ASK, 0, 1, 1],
            &[kind::TELL, 1, 65, 0],
            &[kind::WANT, 1, 0, 0, 0, 1, 1],
            &[kind::TELL, 1, 1, 0, form::PARTS, 0, 0, 0, 0, 17],
        ];
        for bytes in oversize {
            assert_eq!(parse(bytes), Err(Fault::Oversize), "{bytes:?}");
        }
        let mut hours = vec![kind::HOURS, 0, 0, 0, 0, 177];
        hours.resize(6 + 28 * (HOURS_MAX as usize + 1), 0);
        assert_eq!(parse(&hours), Err(Fault::Oversize));
    }

    fn any_place(hour: u32) -> impl Strategy<Value = Entry> {
        let significant = prop::collection::vec(any::<u8>(), 0..=ID_BYTES);
        (0..HOUR_S, significant).prop_map(move |(second, bytes)| place(hour * HOUR_S + second, &bytes))
    }

    fn any_span() -> impl Strategy<Value = Span> {
        (any_place(77), any_place(77)).prop_filter_map("no stretch", |(a, b)| Span::new(a.min(b), a.max(b)))
    }

    fn any_tally() -> impl Strategy<Value = Tally> {
        (any::<u32>(), any::<[u8; 24]>()).prop_map(|(count, bytes)| Tally { count, fingerprint: Fingerprint(bytes) })
    }

    fn any_lots() -> impl Strategy<Value = Vec<Lot>> {
        let all = (any_span(), any::<u32>()).prop_map(|(span, count)| Lot::All { span, count });
        prop::collection::vec(prop_oneof![any_place(9).prop_map(Lot::One), all], 0..20)
    }

    fn any_answer() -> impl Strategy<Value = Answer> {
        let parts = prop::collection::btree_map(any_place(5), any_tally(), 0..=PARTS_MAX);
        let entries = prop::collection::btree_set(any_place(5), 0..=LIST_MAX);
        prop_oneof![
            parts.prop_map(|parts| {
                Answer::Parts(parts.into_iter().map(|(upper, tally)| Part { upper, tally }).collect())
            }),
            entries.prop_map(|entries| Answer::Entries(entries.into_iter().collect())),
        ]
    }

    fn any_message() -> impl Strategy<Value = Message> {
        let hours = (0..Hours::touching(0, u32::MAX).first(), prop::collection::vec(any_tally(), 0..30));
        prop_oneof![
            hours.prop_map(|(first, tallies)| Message::Hours(HourList::new(first, tallies).unwrap())),
            (prop::collection::vec(any_span(), 0..20), any_lots())
                .prop_map(|(spans, lots)| Message::Ask { spans, lots }),
            (prop::collection::vec(any_answer(), 0..9), any::<bool>())
                .prop_map(|(answers, last)| Message::Tell { answers, last }),
            (any_lots(), any::<u32>()).prop_map(|(lots, most)| Message::Want { lots, most }),
            (0u32..=256, prop::option::of(any_place(3))).prop_map(|(done, at)| Message::Served { done, at }),
            Just(Message::Done),
            any::<u8>().prop_map(|code| Message::Stop(StopCode::from_byte(code))),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_has_the_bytes_that_were_counted(message in any_message(), asks: bool) {
            let bytes = written(&message, asks);
            prop_assert_eq!(parse(&bytes), Ok((message, asks)));
            for end in 0..bytes.len() {
                prop_assert_eq!(parse(&bytes[..end]).unwrap_err(), Fault::Malformed, "cut at {}", end);
            }
        }

        #[test]
        fn no_bytes_make_the_parser_panic_and_what_it_takes_has_one_form(
            kind in 0u8..9, bytes in prop::collection::vec(any::<u8>(), 0..200), zeros: bool,
        ) {
            let fill = bytes.iter().map(|byte| if zeros { byte % 3 } else { *byte });
            let bytes: Vec<u8> = std::iter::once(kind).chain(fill).collect();
            if let Ok((message, asks)) = parse(&bytes) {
                prop_assert!(message.fits());
                prop_assert_eq!(message.bytes(), bytes.len());
                prop_assert!(!asks);
            }
        }
    }
}
