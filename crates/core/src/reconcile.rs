//! How two nodes find out which dated records one has and the other lacks: `docs/wire/catch-up.md` says it for other programs,
//! `docs/decisions/catch-up.md` why it is so.
//!
//! Everything here is values: messages in, messages and ids out. Never a socket, a disk, a clock, or the bytes of a record.

mod answer;
mod entry;
mod fetch;
mod find;
mod hours;
mod index;
mod limits;
mod memory;
mod message;
mod serve;
mod session;
mod share;
mod tally;

pub use self::entry::{Entry, HOUR_S, HOURS_MAX, Hours, ID_BYTES, Lot, Span};
pub use self::index::Index;
pub use self::limits::{
    ASK_LOTS_MAX, ASK_SPANS_MAX, Budget, DEPTH_MAX, End, FUTILE_MAX, LIST_MAX, LOTS_WAITING_MAX, Limits, PARTS_MAX,
    ROUNDS_MAX, SERVED_BEYOND_MAX, TOLD_BYTES_MAX, UNSERVED_MAX, WANT_RECORDS_MAX, WORK_BASE, WORK_PER_ENTRY, YOUNG_MS,
};
pub use self::memory::{MemoryIndex, NOTED_MAX};
pub use self::message::{Answer, HourList, MESSAGE_BYTES_MAX, Message, StopCode};
pub use self::session::{Output, Progress, Session};
pub use self::share::{Exchange, Share};
pub use self::tally::{FINGERPRINT_BYTES, Fingerprint, Part, Tally};
