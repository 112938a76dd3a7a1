//! What one session may cost, and why one ends.

use crate::fault::Fault;
use crate::record::RECORD_BYTES_MAX;

use super::message::StopCode;

/// Records that came less than this many milliseconds ago are left out of an [`Index`](super::Index).
pub const YOUNG_MS: u64 = 5_000;
/// Entries that one answer lists. 24 bytes of fingerprint and a place for each of 16 parts are 500 bytes: as much as 28 ids.
pub const LIST_MAX: usize = 32;
/// Parts into which one answer cuts a span.
pub const PARTS_MAX: usize = 16;
/// Spans asked about at once: their answers are about 40 KiB at the most, a second's worth for a slow line.
pub const ASK_SPANS_MAX: usize = 64;
/// Lots in one message: a stretch of places without zeros has 40 bytes, and the message is to stay below 16 KiB.
pub const ASK_LOTS_MAX: usize = 256;
/// How often a span can be cut: 16^8 records are more than there are.
pub const DEPTH_MAX: u8 = 8;
/// Records asked for at once: 60 KB, about what one turn of a link may carry.
pub const WANT_RECORDS_MAX: u32 = 200;
/// Lots that wait to be fetched; with more, no further question is asked, and the other side's are not confirmed.
pub const LOTS_WAITING_MAX: usize = 4_096;
/// Messages with questions in one session. Two sets of a million entries that have nothing in common take about a thousand.
pub const ROUNDS_MAX: u32 = 10_000;
/// Bytes of messages, without records, each way in one session. Lists of all ids of three million records have 54 MB.
pub const TOLD_BYTES_MAX: u64 = 64 << 20;
/// Records that were promised and did not come, in one session. An honest peer may have dropped some in the meantime, so nobody is
/// blamed for it.
pub const UNSERVED_MAX: u64 = 1_000;
/// Answers in one session that bring nothing although the tallies differed. Honest peers have some: at full budgets 100 records
/// a second come to both, not at the same moment. A liar gets some 600 KB of lists out of it.
pub const FUTILE_MAX: u32 = 1_024;
/// Records that a peer may fetch beyond as many as we hold in the hours of the session: what came since it began is served too.
pub const SERVED_BEYOND_MAX: u64 = 10_000;
/// How often each entry may be visited for one session: once for the hour's tally, once for each of
/// six levels below (16^6 are 16 million), once to be served, and spare.
pub const WORK_PER_ENTRY: u64 = 10;
/// Visits allowed beyond that: counts and questions of small sets.
pub const WORK_BASE: u64 = 100_000;
/// What serving one record is charged with: the longest one and its tag.
pub(super) const RECORD_CHARGE_BYTES: usize = RECORD_BYTES_MAX + 2;

/// What may be spent on one session. Who drives it sets what depends on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of records that are fetched. A node that joins anew fetches 64 MiB and asks its user before more.
    pub fetch_bytes: u64,
    /// Nothing came and nothing could be done for so long: the peer is let go.
    pub silence_ms: u64,
    /// The longest session, so that a peer that goes slowly does not hold it for ever. What is left is done by the next.
    pub lasting_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fetch_bytes: 64 << 20, silence_ms: 30_000, lasting_ms: 1_800_000 }
    }
}

/// What one turn may spend; what was spent is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Entries visited. One list too many may be visited beyond it.
    pub work: u64,
    /// Bytes sent, records counted as the longest. A message is begun while [`MESSAGE_BYTES_MAX`](super::MESSAGE_BYTES_MAX) is left.
    pub bytes: usize,
}

impl Budget {
    /// A turn of one link. A visit takes 13 ns with the processor's instructions for SHA-256 and about 40 ns without: far below the
    /// 50 ms that one link may hold up the others. 64 KiB are what it may have on its way.
    pub const TURN: Self = Self { work: 250_000, bytes: 64 << 10 };
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum End {
    /// All differences were found, and fetched.
    #[error("all differences were found and fetched")]
    Complete,
    /// As many bytes were fetched as was allowed; there is more.
    #[error("as much was fetched as is allowed at a time: more is there")]
    Full,
    /// The other side ended it.
    #[error("the peer ended the exchange ({0})")]
    Stopped(StopCode),
    /// The other side said nothing for too long.
    #[error("the peer fell silent during the exchange")]
    Silent,
    /// It lasted for as long as one may.
    #[error("the exchange took longer than one may: what is left comes with the next")]
    Lasting,
    /// A message that must not come now.
    #[error("the peer sent a message of the exchange out of turn")]
    OutOfTurn,
    /// Places that do not ascend, overlap, lie elsewhere or are too many.
    #[error("the peer answered with stretches that overlap, run backward or lie elsewhere")]
    Disordered,
    /// Stretches within stretches without end.
    #[error("the peer cut one stretch more than {DEPTH_MAX} times")]
    Deep,
    /// More questions than any two sets need.
    #[error("the exchange took more than {ROUNDS_MAX} rounds")]
    Rounds,
    /// More bytes of messages than any two sets need.
    #[error("the exchange took more than {TOLD_BYTES_MAX} bytes of questions and answers")]
    Wordy,
    /// More visits to our entries than any two sets need.
    #[error("the peer's questions visited our records too often")]
    Work,
    /// Fingerprints that differ over equal sets.
    #[error("the peer claimed differences where none are")]
    Futile,
    /// Serving was broken off, though more were to come.
    #[error("the peer broke off serving before it had served what was to come")]
    CutShort,
    /// Records that were promised and did not come.
    #[error("the peer did not serve the records that it said it has")]
    NotServed,
    /// Records that were not asked for.
    #[error("the peer sent records that were not asked for")]
    Unasked,
    /// The same records fetched again and again.
    #[error("the peer fetched more records than we hold")]
    Greedy,
}

impl End {
    /// What it costs the peer, if it is something that no honest peer does.
    pub const fn fault(self) -> Option<Fault> {
        match self {
            Self::Disordered | Self::Deep | Self::CutShort => Some(Fault::Malformed),
            Self::OutOfTurn | Self::Unasked => Some(Fault::OutOfTurn),
            Self::Rounds | Self::Wordy | Self::Work | Self::Greedy => Some(Fault::TooMany),
            Self::Silent => Some(Fault::TimedOut),
            // Sets change while they are compared: these happen to honest peers too.
            Self::Futile | Self::NotServed => None,
            Self::Complete | Self::Full | Self::Stopped(_) | Self::Lasting => None,
        }
    }

    /// What the other side is told.
    pub(super) const fn code(self) -> Option<StopCode> {
        match self {
            Self::Complete | Self::Full => None,
            Self::Stopped(_) => Some(StopCode::Heard),
            Self::Silent | Self::Lasting => Some(StopCode::Time),
            Self::Rounds | Self::Wordy | Self::Work | Self::Greedy | Self::Futile | Self::NotServed => {
                Some(StopCode::Limit)
            }
            _ => Some(StopCode::Fault),
        }
    }
}
