//! Which strangers who ask to talk are named to the clients. Pure: the time comes in.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use nightjar_envelope::key::ChatKey;

/// Strangers who are named in [`NAMED_WITHIN`]: anybody can make keys by the thousand, and each name is a line for every client.
pub(super) const NAMED_MAX: usize = 3;
/// In so long. Those who asked beyond that are counted for as long, and then told of in one line.
pub(super) const NAMED_WITHIN: Duration = Duration::from_secs(60);
/// Strangers of whom it is known that they asked; then they are told of again.
const ASKED_MAX: usize = 4_096;

/// Strangers who asked, and what was told of that. Times are those since any one moment.
#[derive(Debug, Default)]
pub(super) struct Requests {
    asked: BTreeSet<ChatKey>,
    /// When the last were named.
    named: VecDeque<Duration>,
    more: usize,
    /// When the first of those was not named.
    more_since: Duration,
}

impl Requests {
    /// A stranger asks; `true` when he is to be named.
    pub(super) fn asks(&mut self, key: ChatKey, now: Duration) -> bool {
        if self.asked.len() >= ASKED_MAX {
            self.asked.clear();
        }
        if !self.asked.insert(key) {
            return false;
        }
        while self.named.front().is_some_and(|when| now.saturating_sub(*when) >= NAMED_WITHIN) {
            self.named.pop_front();
        }
        if self.named.len() < NAMED_MAX {
            self.named.push_back(now);
            return true;
        }
        if self.more == 0 {
            self.more_since = now;
        }
        self.more += 1;
        false
    }

    /// Whether he asked, and was not answered yet.
    pub(super) fn has_asked(&self, key: &ChatKey) -> bool {
        self.asked.contains(key)
    }

    /// He may ask anew.
    pub(super) fn forget(&mut self, key: &ChatKey) {
        self.asked.remove(key);
    }

    /// How many more asked, when it is time to tell that.
    pub(super) fn more(&mut self, now: Duration) -> usize {
        if now.saturating_sub(self.more_since) < NAMED_WITHIN {
            return 0;
        }
        std::mem::take(&mut self.more)
    }
}

#[cfg(test)]
mod tests {
    use nightjar_envelope::key::ChatSecret;

    use super::*;

    fn key(number: u64) -> ChatKey {
        let mut seed = [0; 32];
        seed.iter_mut().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
        ChatSecret::from_seed(&seed.into()).public()
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_are_named_and_the_others_counted_after_a_minute() {
        let mut requests = Requests::default();
        let named = (0..60).filter(|number| requests.asks(key(*number), at(100 + number / 30))).count();
        assert_eq!(named, NAMED_MAX);
        assert_eq!(requests.more(at(101)), 0, "more may come");
        assert_eq!(requests.more(at(160)), 57);
        assert_eq!(requests.more(at(1_000)), 0, "told once");
    }

    #[test]
    fn no_minute_has_more_than_so_many_names_and_one_line_of_the_others() {
        let mut requests = Requests::default();
        let (mut named, mut lines) = (Vec::new(), Vec::new());
        let mut told = 0;
        for second in 0..600 {
            if requests.asks(key(second), at(second)) {
                named.push(second);
            }
            let more = requests.more(at(second));
            if more > 0 {
                lines.push(second);
                told += more;
            }
        }
        for second in 0..600 {
            let within = |times: &[u64]| times.iter().filter(|time| (second..second + 60).contains(*time)).count();
            assert!(within(&named) <= NAMED_MAX && within(&lines) <= 1, "{second}: {named:?} {lines:?}");
        }
        assert_eq!(named.len() + told + requests.more(at(10_000)), 600, "nobody is lost");
    }

    #[test]
    fn who_asks_again_is_not_told_of_again_until_the_user_decided_about_him() {
        let mut requests = Requests::default();
        assert!(requests.asks(key(1), at(0)) && !requests.asks(key(1), at(500)));
        assert_eq!(requests.more(at(1_000)), 0);
        requests.forget(&key(1));
        assert!(requests.asks(key(1), at(1_000)));
    }

    #[test]
    fn those_who_asked_are_bounded() {
        let mut requests = Requests::default();
        for number in 0..ASKED_MAX as u64 + 10 {
            requests.asks(key(number), at(0));
        }
        assert_eq!(requests.asked.len(), 10);
    }
}
