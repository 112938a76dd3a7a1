//! What a session needs to know of the records of its node.

use std::ops::ControlFlow;

use super::entry::{Entry, Span};
use super::tally::Tally;

/// The entries of a node in their order. It may change while a session runs: what was missed is found by the next.
///
/// Records that came less than [`YOUNG_MS`](super::YOUNG_MS) ago are left out: they are still on their way by flood.
pub trait Index {
    /// The tally of a whole hour if it is at hand; else the session counts it, within its budget.
    fn tally(&self, hour: u32) -> Option<Tally>;
    /// How many entries lie in the span. Asked often: it is to cost much less than to walk there.
    fn count(&self, span: &Span) -> u32;
    /// Shows the entries of the span in their order until `visit` breaks.
    fn walk(&self, span: &Span, visit: &mut dyn FnMut(Entry) -> ControlFlow<()>);
    /// Whether a record is to be fetched: not if it is here, however young, nor if it was refused before.
    fn wants(&self, entry: &Entry) -> bool;
    /// How many records of the span are left out, being young or refused, as far as that is remembered. They are some.
    fn left_out(&self, span: &Span) -> u32;
}
