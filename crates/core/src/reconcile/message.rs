//! What the two sides say to each other, in types. Bytes exist only where they are framed, but their number is known here.

use std::fmt;

use super::entry::{Entry, HOURS_MAX, Hours, ID_BYTES, Lot, Span};
use super::limits::{ASK_LOTS_MAX, ASK_SPANS_MAX, LIST_MAX, PARTS_MAX};
use super::tally::{FINGERPRINT_BYTES, Part, Tally};

/// The longest message: it lies in one TLS record, as all frames that are sent.
pub const MESSAGE_BYTES_MAX: usize = 16_000;

/// No answer is longer: sixteen parts, each with a whole id.
pub(super) const ANSWER_BYTES_MAX: usize = 800;

/// A message of a session. The side that began it asks; the other answers. Both may want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The hours that the sender keeps whole. First of all the one who asks sends it, then the other, with no other hours.
    Hours(HourList),
    /// Questions about spans, and what the other side lacks. Only the side that asks sends it, and not before all is answered.
    Ask {
        /// Spans in which the sides differ.
        spans: Vec<Span>,
        /// What the other side lacks.
        lots: Vec<Lot>,
    },
    /// Answers, in the order of the questions.
    Tell {
        /// The answers.
        answers: Vec<Answer>,
        /// Whether all was answered, and what was lacking is taken note of: a further `Ask` may come.
        last: bool,
    },
    /// Records that the sender lacks, and wants. Not before the last `Want` was served.
    Want {
        /// Which.
        lots: Vec<Lot>,
        /// How many at the most.
        most: u32,
    },
    /// The records of the last `Want` were sent before this.
    Served {
        /// How many of its lots are done.
        done: u32,
        /// Where the one behind them is to be gone on with, if it was begun: as many records came as were to come at the most.
        at: Option<Entry>,
    },
    /// The sender wants nothing any more, and asks nothing.
    Done,
    /// The sender ends the session before its time, or heard that the other one did: behind it nothing of this session comes.
    Stop(StopCode),
}

/// Tallies of hours one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourList {
    first: u32,
    tallies: Vec<Tally>,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Parts of the span, of about the same number of entries.
    Parts(Vec<Part>),
    /// All entries of the span, if they are at most [`LIST_MAX`].
    Entries(Vec<Entry>),
}

/// Why a session is ended before its time, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopCode {
    /// The other side did something wrong.
    Fault,
    /// A limit was reached.
    Limit,
    /// It took too long.
    Time,
    /// The other side ended it: nothing more comes of this one either.
    Heard,
    /// A code of a later version.
    Other(u8),
}

impl HourList {
    /// The list that begins with hour `first`; `None` for more than [`HOURS_MAX`].
    pub fn new(first: u32, tallies: Vec<Tally>) -> Option<Self> {
        let count = u32::try_from(tallies.len()).ok().filter(|count| *count <= HOURS_MAX)?;
        Hours::new(first, count).map(|_| Self { first, tallies })
    }

    /// The hours it tells of.
    pub fn hours(&self) -> Hours {
        let count = u32::try_from(self.tallies.len()).unwrap_or(HOURS_MAX);
        Hours::new(self.first, count).expect("a list is made of no more")
    }

    /// The tallies, of the oldest hour first.
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// The tally of one hour, if it is in the list.
    pub fn tally(&self, hour: u32) -> Option<&Tally> {
        self.tallies.get(usize::try_from(hour.checked_sub(self.first)?).ok()?)
    }
}

impl Message {
    /// How many bytes it has on the wire, without the header of its frame.
    pub fn bytes(&self) -> usize {
        1 + match self {
            Self::Hours(list) => 5 + list.tallies.len() * TALLY_BYTES,
            Self::Ask { spans, lots } => {
                3 + spans.iter().map(span_bytes).sum::<usize>() + lots.iter().map(lot_bytes).sum::<usize>()
            }
            Self::Tell { answers, .. } => 3 + answers.iter().map(Answer::bytes).sum::<usize>(),
            Self::Want { lots, .. } => 6 + lots.iter().map(lot_bytes).sum::<usize>(),
            Self::Served { at, .. } => 3 + at.map_or(0, |at| 4 + place_bytes(&at)),
            Self::Done => 0,
            Self::Stop(_) => 1,
        }
    }

    /// Whether it keeps the limits on what one message carries.
    pub fn fits(&self) -> bool {
        match self {
            Self::Ask { spans, lots } => spans.len() <= ASK_SPANS_MAX && lots.len() <= ASK_LOTS_MAX,
            Self::Tell { answers, .. } => answers.len() <= ASK_SPANS_MAX && answers.iter().all(Answer::fits),
            Self::Want { lots, .. } => lots.len() <= ASK_LOTS_MAX,
            Self::Hours(_) | Self::Served { .. } | Self::Done | Self::Stop(_) => true,
        }
    }
}

impl Answer {
    /// How many bytes it has on the wire.
    pub(super) fn bytes(&self) -> usize {
        6 + match self {
            Self::Parts(parts) => {
                parts.iter().map(|part| OFFSET_BYTES + place_bytes(&part.upper) + TALLY_BYTES).sum::<usize>()
            }
            Self::Entries(entries) => entries.len() * (OFFSET_BYTES + ID_BYTES),
        }
    }

    fn fits(&self) -> bool {
        match self {
            Self::Parts(parts) => parts.len() <= PARTS_MAX,
            Self::Entries(entries) => entries.len() <= LIST_MAX,
        }
    }
}

/// Count and fingerprint.
const TALLY_BYTES: usize = 4 + FINGERPRINT_BYTES;
/// Seconds since a second that was said before.
const OFFSET_BYTES: usize = 2;

/// An id cut to what is significant, behind its length.
fn place_bytes(place: &Entry) -> usize {
    1 + place.significant().len()
}

fn span_bytes(span: &Span) -> usize {
    4 + place_bytes(&span.lower()) + OFFSET_BYTES + place_bytes(&span.upper())
}

fn lot_bytes(lot: &Lot) -> usize {
    1 + match lot {
        Lot::One(_) => 4 + ID_BYTES,
        Lot::All { span, .. } => span_bytes(span) + 4,
    }
}

impl StopCode {
    /// The byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Fault => 0,
            Self::Limit => 1,
            Self::Time => 2,
            Self::Heard => 3,
            Self::Other(byte) => byte,
        }
    }

    /// The code of a byte.
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Fault,
            1 => Self::Limit,
            2 => Self::Time,
            3 => Self::Heard,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for StopCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault => f.write_str("fault"),
            Self::Limit => f.write_str("limit"),
            Self::Time => f.write_str("time"),
            Self::Heard => f.write_str("heard"),
            Self::Other(byte) => write!(f, "code {byte}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;
    use crate::reconcile::{Fingerprint, HOURS_MAX};

    #[test]
    fn the_longest_of_each_kind_fits_into_a_message() {
        let place = |first| Entry { expiry: 7, id: [first; ID_BYTES] };
        let span = Span::new(place(1), place(2)).unwrap();
        let lots = vec![Lot::All { span, count: 1 }; ASK_LOTS_MAX];
        let tally = Tally { count: 1, fingerprint: Fingerprint([0; FINGERPRINT_BYTES]) };
        let hours = HourList::new(0, vec![tally; HOURS_MAX as usize]).unwrap();
        let messages = [
            Message::Hours(hours),
            Message::Ask { spans: vec![span; ASK_SPANS_MAX], lots: lots.clone() },
            Message::Want { lots, most: 1 },
            Message::Served { done: 1, at: Some(place(1)) },
        ];
        for message in messages {
            assert!(message.fits() && message.bytes() <= MESSAGE_BYTES_MAX, "{} bytes", message.bytes());
        }
        let parts = Answer::Parts(vec![Part { upper: place(1), tally }; PARTS_MAX]);
        let entries = Answer::Entries(vec![place(1); LIST_MAX]);
        assert!(parts.bytes().max(entries.bytes()) <= ANSWER_BYTES_MAX);
    }

    #[test]
    fn one_more_of_a_kind_does_not_fit() {
        let place = Entry::first_of(7);
        let tally = Tally { count: 1, fingerprint: Fingerprint([0; FINGERPRINT_BYTES]) };
        let tell = |answer, count| Message::Tell { answers: vec![answer; count], last: true };
        let lots = vec![Lot::One(place); ASK_LOTS_MAX + 1];
        let messages = [
            Message::Ask { spans: vec![Span::hour(1); ASK_SPANS_MAX + 1], lots: Vec::new() },
            Message::Ask { spans: Vec::new(), lots: lots.clone() },
            Message::Want { lots, most: 1 },
            tell(Answer::Parts(vec![Part { upper: place, tally }; PARTS_MAX + 1]), 1),
            tell(Answer::Entries(vec![place; LIST_MAX + 1]), 1),
            tell(Answer::Entries(Vec::new()), ASK_SPANS_MAX + 1),
        ];
        assert!(messages.iter().all(|message| !message.fits()));
        assert_eq!(HourList::new(0, vec![tally; HOURS_MAX as usize + 1]), None);
    }
}
