//! The tallies of our own hours, as a session tells them first of all.

use super::entry::{Hours, Span};
use super::index::Index;
use super::message::HourList;
use super::tally::{Tally, Walk};

/// A list of hours in the making.
#[derive(Clone, Debug)]
pub(super) struct Tallying {
    hours: Hours,
    tallies: Vec<Tally>,
    walk: Option<Walk>,
}

impl Tallying {
    pub(super) const fn new(hours: Hours) -> Self {
        Self { hours, tallies: Vec::new(), walk: None }
    }

    /// Goes on as far as the work allows; the list, once it is whole.
    pub(super) fn advance(&mut self, index: &impl Index, work: &mut u64) -> Option<HourList> {
        while let Some(hour) = self.hours.iter().nth(self.tallies.len()) {
            if let Some(left) = work.checked_sub(1) {
                *work = left;
            } else {
                return None;
            }
            let tally = match index.tally(hour).filter(|_| self.walk.is_none()) {
                Some(tally) => tally,
                None => {
                    let walk = self.walk.get_or_insert_with(|| Walk::whole(Span::hour(hour)));
                    let parts = walk.advance(index, work)?;
                    parts.first().expect("a walk without cuts gives one part").tally
                }
            };
            self.walk = None;
            self.tallies.push(tally);
        }
        let tallies = std::mem::take(&mut self.tallies);
        Some(HourList::new(self.hours.first(), tallies).expect("there are no more hours than a list may have"))
    }
}

impl HourList {
    /// How many entries all its hours have.
    pub(super) fn count(&self) -> u64 {
        self.tallies().iter().map(|tally| u64::from(tally.count)).sum()
    }

    /// The hours of the other list in which the two differ, the oldest first, with their tally there.
    pub(super) fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (u32, &'a Tally)> {
        other.hours().iter().zip(other.tallies()).filter(|(hour, tally)| self.tally(*hour) != Some(*tally))
    }
}
