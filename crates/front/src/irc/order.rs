//! Holds back what arrives from a flood, shortly, so that it can be shown in the order in which it was said: paths of a
//! flood differ in length, and a client of IRC cannot put a line before one that it has shown. Looks at no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How long something is held back at the most: who writes with others does not notice yet that he waits.
pub const HOLD_MS_MAX: u64 = 2_000;
/// How long something is held back where all arrives in order: paths in one country differ by less, and nobody notices.
pub const HOLD_MS_MIN: u64 = 100;
/// How much is held back at once. Nobody reads so much in so short a time, so that its order matters less than memory.
pub const HELD_MAX: usize = 4096;
/// A hold that was needed is forgotten little by little, until after this time it is not needed any more.
pub const DECAY_MS: u64 = 600_000;
/// What was said longer before something that has arrived is history or comes from a clock that goes wrong: no waiting
/// brings it to its place.
pub const DISORDER_MS_MAX: u64 = 60_000;

/// Holds messages back, each for the time that the last ten minutes needed. Times of arrival are of a clock that never
/// steps; when something was said is told by whoever said it.
///
/// Take out what is due after each push: then it holds [`HELD_MAX`] at the most.
#[derive(Debug)]
pub struct HoldBack<T> {
    /// What waits, as it arrived.
    waiting: BTreeMap<Arrival, Waiting<T>>,
    /// The same as it was said.
    in_order: BTreeSet<Place>,
    /// When what came last has arrived, and when it was said, whether it still waits or not.
    recent: VecDeque<(u64, u64)>,
    next: Arrival,
    /// How long what waits has to wait. Changes only when something arrives, so that what is due stays due.
    hold_ms: u64,
    /// What was needed, and when that was seen.
    needed_ms: u64,
    needed_at: u64,
}

/// Counts what has arrived.
type Arrival = u64;
/// When it was said, its seq, and its arrival.
type Place = (u64, u64, Arrival);

#[derive(Debug)]
struct Waiting<T> {
    arrived: u64,
    what: T,
}

impl<T> Default for HoldBack<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> HoldBack<T> {
    /// Nothing has arrived, and nothing was late yet.
    pub const fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            in_order: BTreeSet::new(),
            recent: VecDeque::new(),
            next: 0,
            hold_ms: HOLD_MS_MIN,
            needed_ms: HOLD_MS_MIN,
            needed_at: 0,
        }
    }

    /// Something has arrived now that was said then; of what was said in the same millisecond, the lower seq comes first.
    pub fn push(&mut self, now: u64, said_ms: u64, seq: u64, what: T) {
        self.learn(now, said_ms);
        let arrival = self.next;
        self.next += 1;
        self.in_order.insert((said_ms, seq, arrival));
        self.waiting.insert(arrival, Waiting { arrived: now, what });
    }

    /// When [`HoldBack::pop`] gives something next. It may be past; None if nothing waits.
    pub fn due(&self) -> Option<u64> {
        let (_, oldest) = self.waiting.first_key_value()?;
        // Too much waits: the first one goes at once.
        Some(if self.len() > HELD_MAX { oldest.arrived } else { oldest.arrived.saturating_add(self.hold_ms) })
    }

    /// What was said first of all that waits, if the time is over of what has waited longest: that must not wait longer,
    /// and nothing that was said before it may be shown behind it. Call it until it gives nothing.
    pub fn pop(&mut self, now: u64) -> Option<T> {
        if self.due()? > now {
            return None;
        }
        let (_, _, arrival) = self.in_order.pop_first()?;
        self.waiting.remove(&arrival).map(|waiting| waiting.what)
    }

    /// How much waits.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// All that waits, in the order in which it was said, whatever its time. What is not taken of it is gone.
    pub fn flush(&mut self) -> impl Iterator<Item = T> + use<T> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let in_order = std::mem::take(&mut self.in_order);
        in_order.into_iter().filter_map(move |(_, _, arrival)| waiting.remove(&arrival)).map(|waiting| waiting.what)
    }

    /// Sees whether something came late, and how long the others should have waited for it.
    fn learn(&mut self, now: u64, said_ms: u64) {
        while self.recent.front().is_some_and(|(arrived, _)| arrived.saturating_add(HOLD_MS_MAX) <= now) {
            self.recent.pop_front();
        }
        let passed_ms = now.saturating_sub(self.needed_at).min(DECAY_MS);
        self.hold_ms = HOLD_MS_MIN + (self.needed_ms - HOLD_MS_MIN) * (DECAY_MS - passed_ms) / DECAY_MS;
        // The first of those that were said later has waited longest.
        let later = said_ms.saturating_add(1)..=said_ms.saturating_add(DISORDER_MS_MAX);
        if let Some((arrived, _)) = self.recent.iter().find(|(_, said_ms)| later.contains(said_ms)) {
            let gap_ms = now.saturating_sub(*arrived);
            let needed_ms = (gap_ms + gap_ms / 2).min(HOLD_MS_MAX);
            if needed_ms > self.hold_ms {
                self.hold_ms = needed_ms;
                self.needed_ms = needed_ms;
                self.needed_at = now;
            }
        }
        if self.recent.len() == HELD_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((now, said_ms));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// All that is due now.
    fn popped<T>(held: &mut HoldBack<T>, now: u64) -> Vec<T> {
        std::iter::from_fn(|| held.pop(now)).collect()
    }

    /// The same arrivals, one after the other, each with its time of release; every item is taken out as soon as it is due.
    fn run(arrivals: &[(u64, u64)]) -> Vec<(u64, usize)> {
        let mut held = HoldBack::new();
        let mut released = Vec::new();
        for (number, (now, said_ms)) in arrivals.iter().enumerate() {
            while let Some(due) = held.due().filter(|due| due < now) {
                released.push((due, held.pop(due).unwrap()));
            }
            held.push(*now, *said_ms, number as u64, number);
            assert!(held.len() <= HELD_MAX + 1);
            released.extend(popped(&mut held, *now).into_iter().map(|number| (*now, number)));
        }
        while let Some(due) = held.due() {
            released.push((due, held.pop(due).unwrap()));
        }
        assert!(held.is_empty());
        released
    }

    #[test]
    fn what_is_held_comes_in_the_order_in_which_it_was_said() {
        let mut held = HoldBack::new();
        held.push(0, 3, 0, "c");
        held.push(0, 2, 9, "b");
        held.push(10, 1, 5, "a");
        held.push(10, 2, 8, "before b");
        held.push(50, 4, 1, "d");
        assert_eq!(held.due(), Some(HOLD_MS_MIN));
        assert_eq!(held.pop(HOLD_MS_MIN - 1), None);
        // What was said first goes with what is due, and what was said later waits on.
        assert_eq!(popped(&mut held, HOLD_MS_MIN), ["a", "before b", "b", "c"]);
        assert_eq!(held.due(), Some(50 + HOLD_MS_MIN));
        assert_eq!(popped(&mut held, 50 + HOLD_MS_MIN), ["d"]);
        assert_eq!(held.due(), None);
    }

    #[test]
    fn who_comes_late_makes_the_others_wait_for_half_as_long_again() {
        let mut held = HoldBack::new();
        held.push(0, 1_000, 0, ());
        popped(&mut held, 100);
        held.push(500, 1_500, 0, ());
        held.push(900, 999, 0, ());
        // The first of those that were said later came 900 ms before.
        assert_eq!(held.due(), Some(500 + 1_350));
        drop(held.flush());
        // What needs less changes nothing.
        held.push(2_000, 3_000, 0, ());
        held.push(2_100, 2_999, 0, ());
        assert_eq!(held.hold_ms, HOLD_MS_MIN + 1_250 * (DECAY_MS - 1_200) / DECAY_MS);
    }

    #[test]
    fn nobody_waits_for_what_comes_far_too_late_or_for_history() {
        for (now, said_ms) in [
            // As long as anybody waits.
            (HOLD_MS_MAX, 99_999),
            // Not late.
            (1_000, 100_000),
            (1_000, 100_001),
            // History.
            (1_000, 100_000 - DISORDER_MS_MAX - 1),
        ] {
            let mut held = HoldBack::new();
            held.push(0, 100_000, 0, ());
            held.push(now, said_ms, 1, ());
            assert_eq!(held.hold_ms, HOLD_MS_MIN, "{now} {said_ms}");
        }
        for (now, said_ms, hold_ms) in
            [(HOLD_MS_MAX - 1, 99_999, HOLD_MS_MAX), (1_000, 100_000 - DISORDER_MS_MAX, 1_500), (1_000, 99_999, 1_500)]
        {
            let mut held = HoldBack::new();
            held.push(0, 100_000, 0, ());
            held.push(now, said_ms, 1, ());
            assert_eq!(held.hold_ms, hold_ms, "{now} {said_ms}");
        }
    }

    #[test]
    fn a_hold_that_is_not_needed_any_more_is_forgotten_in_ten_minutes() {
        let mut held = HoldBack::new();
        held.push(0, 10, 0, ());
        held.push(1_000, 9, 1, ());
        let hold_ms = |held: &mut HoldBack<()>, now| {
            held.push(now, now, 0, ());
            drop(held.flush());
            held.hold_ms
        };
        assert_eq!(hold_ms(&mut held, 1_000), 1_500);
        assert_eq!(hold_ms(&mut held, 1_000 + DECAY_MS / 2), 800);
        assert_eq!(hold_ms(&mut held, 1_000 + DECAY_MS), HOLD_MS_MIN);
        assert_eq!(hold_ms(&mut held, u64::MAX), HOLD_MS_MIN);
    }

    #[test]
    fn too_much_goes_at_once() {
        let mut held = HoldBack::new();
        for said_ms in 0..HELD_MAX as u64 {
            held.push(5, said_ms, 0, said_ms);
            assert_eq!(held.pop(5), None);
        }
        held.push(5, 7, 7, 7_777);
        assert_eq!(held.due(), Some(5));
        assert_eq!(popped(&mut held, 5), [0]);
        assert_eq!(held.len(), HELD_MAX);
        assert_eq!(held.recent.len(), HELD_MAX);
        assert_eq!(held.due(), Some(5 + HOLD_MS_MIN));
    }

    #[test]
    fn all_can_be_had_at_once_in_order() {
        let mut held = HoldBack::new();
        for (said_ms, what) in [(3, 'c'), (1, 'a'), (2, 'b')] {
            held.push(0, said_ms, 0, what);
        }
        assert_eq!(held.flush().collect::<String>(), "abc");
        assert!(held.is_empty() && held.due().is_none());
    }

    #[test]
    fn no_time_upsets_it() {
        let mut held = HoldBack::new();
        for (now, said_ms) in [(u64::MAX, 0), (0, u64::MAX), (7, u64::MAX - 1), (u64::MAX, u64::MAX), (0, 0)] {
            held.push(now, said_ms, u64::MAX, ());
            held.due();
        }
        assert_eq!(popped(&mut held, u64::MAX).len(), 5);
    }

    /// Arrivals: some ms after the one before, and how long before their arrival they were said.
    fn arrivals(late_ms_max: u64) -> impl Strategy<Value = Vec<(u64, u64)>> {
        vec((prop_oneof![3 => 0..50u64, 1 => 0..1_500u64], 0..late_ms_max), 0..300).prop_map(|steps| {
            let mut now = 1_000_000;
            let arrive = |(after_ms, late_ms)| {
                now += after_ms;
                (now, now - late_ms)
            };
            steps.into_iter().map(arrive).collect()
        })
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_comes_twice_and_nobody_waits_too_long(arrivals in arrivals(70_000)) {
            let released = run(&arrivals);
            let mut numbers: Vec<_> = released.iter().map(|(_, number)| *number).collect();
            numbers.sort_unstable();
            prop_assert!(numbers.into_iter().eq(0..arrivals.len()));
            prop_assert!(released.is_sorted_by_key(|(at, _)| *at));
            for (at, number) in released {
                let (arrived, _) = arrivals[number];
                prop_assert!((arrived..=arrived + HOLD_MS_MAX).contains(&at));
            }
        }

        #[test]
        fn what_is_less_late_than_the_hold_comes_in_order(arrivals in arrivals(HOLD_MS_MIN)) {
            let released = run(&arrivals);
            let said: Vec<_> = released.iter().map(|(_, number)| (arrivals[*number].1, *number)).collect();
            prop_assert!(said.is_sorted());
        }

        /// After one has shown how late they come, all come in order.
        #[test]
        fn what_was_late_once_is_waited_for(mut arrivals in arrivals(1_000)) {
            let start = [(900_000, 900_000), (900_999, 899_999)];
            arrivals.splice(0..0, start);
            let released = run(&arrivals);
            let said: Vec<_> = released.iter().filter(|(_, number)| *number > 1).map(|(_, number)| (arrivals[*number].1, *number)).collect();
            prop_assert!(said.is_sorted());
        }
    }
}
