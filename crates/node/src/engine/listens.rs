//! What is listened to at this node: kept by the store until unlistened, or leased by somebody who renews.
//! Two who listen to one name do not end each other.

use std::collections::BTreeMap;

use nightjar_core::record::Target;
use nightjar_core::time::Mono;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng as _;

use crate::handle::{ListenEntry, ListenError, ListenTo};

/// Names and targets that are listened to at one time: an IRC user has some dozens.
pub(super) const LISTENS_MAX: usize = 1024;
/// Leases that stand at one time, on all names together: the engine looks at each of them at each of its turns. Who
/// renews has one for a name; who takes a new one each time gets here.
pub(super) const LEASES_MAX: usize = 1024;

/// What is listened to.
#[derive(Default)]
pub(super) struct Listens {
    /// By the text as it was typed, or the target in hex.
    entries: BTreeMap<String, Entry>,
    next_lease: u64,
}

struct Entry {
    to: ListenTo,
    targets: Vec<Target>,
    kept: bool,
    /// Leases, and when each ends.
    leases: BTreeMap<u64, Mono>,
}

impl Entry {
    fn new(to: ListenTo, kept: bool) -> Self {
        Self { targets: to.targets(), to, kept, leases: BTreeMap::new() }
    }

    fn name(&self) -> Option<String> {
        match &self.to {
            ListenTo::Name(name) => Some(name.typed().to_owned()),
            ListenTo::Target(_) => None,
        }
    }

    fn is_wanted(&self) -> bool {
        self.kept || !self.leases.is_empty()
    }
}

/// Targets that are listened to from now on, and those that are not any more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) on: Vec<Target>,
    pub(super) off: Vec<Target>,
}

impl Listens {
    /// What the store has kept. Leases are numbered from a random number on: one of an earlier process means nothing to
    /// this one.
    pub(super) fn kept(all: Vec<ListenTo>, chance: &mut ChaCha20Rng) -> Self {
        let entry = |to: ListenTo| (key(&to), Entry::new(to, true));
        Self { entries: all.into_iter().map(entry).collect(), next_lease: u64::from(chance.next_u32()) << 16 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        self.entries.values().flat_map(|entry| &entry.targets).copied().collect()
    }

    /// The name by which a target is listened to, as it was typed; the first in the order of the alphabet.
    pub(super) fn name_of(&self, target: Target) -> Option<String> {
        let named = self.entries.values().find(|entry| entry.targets.contains(&target) && entry.name().is_some());
        named.and_then(Entry::name)
    }

    /// Keeps a listening until it is ended.
    pub(super) fn keep(&mut self, to: ListenTo) -> Result<Change, ListenError> {
        let (change, entry) = self.entry(to)?;
        entry.kept = true;
        Ok(change)
    }

    /// Begins a lease, or renews the one of this number if it still stands.
    pub(super) fn lease(
        &mut self,
        to: ListenTo,
        renewed: Option<u64>,
        until: Mono,
    ) -> Result<(Change, u64), ListenError> {
        let fresh = self.next_lease;
        let stands = |number| self.entries.get(&key(&to)).is_some_and(|entry| entry.leases.contains_key(&number));
        let leases: usize = self.entries.values().map(|entry| entry.leases.len()).sum();
        if leases >= LEASES_MAX && !renewed.is_some_and(stands) {
            return Err(ListenError::TooManyLeases(leases));
        }
        let (change, entry) = self.entry(to)?;
        let number = renewed.filter(|number| entry.leases.contains_key(number)).unwrap_or(fresh);
        entry.leases.insert(number, until);
        if number == fresh {
            self.next_lease += 1;
        }
        Ok((change, number))
    }

    /// Ends what is kept of a name, however it was typed, or only one lease; `None` if there was nothing to end. Says also
    /// what the store is to forget.
    pub(super) fn end(&mut self, what: &ListenTo, lease: Option<u64>) -> Option<(Change, Vec<ListenTo>)> {
        let mut forget = Vec::new();
        let mut found = false;
        for entry in self.entries.values_mut().filter(|entry| is_same(&entry.to, what)) {
            match lease {
                Some(number) => found |= entry.leases.remove(&number).is_some(),
                None if entry.kept => {
                    found = true;
                    entry.kept = false;
                    forget.push(entry.to.clone());
                }
                None => {}
            }
        }
        found.then(|| (self.drop_unwanted(), forget))
    }

    /// Ends leases whose time is over.
    pub(super) fn expire(&mut self, now: Mono) -> Change {
        for entry in self.entries.values_mut() {
            entry.leases.retain(|_, until| *until > now);
        }
        self.drop_unwanted()
    }

    /// When the next lease ends.
    pub(super) fn due(&self) -> Option<Mono> {
        self.entries.values().flat_map(|entry| entry.leases.values()).min().copied()
    }

    pub(super) fn list(&self) -> Vec<ListenEntry> {
        let show = |entry: &Entry| ListenEntry {
            name: entry.name(),
            targets: entry.targets.clone(),
            kept: entry.kept,
            leases: entry.leases.len(),
        };
        self.entries.values().map(show).collect()
    }

    fn entry(&mut self, to: ListenTo) -> Result<(Change, &mut Entry), ListenError> {
        let key = key(&to);
        let mut change = Change::default();
        if !self.entries.contains_key(&key) {
            if self.entries.len() >= LISTENS_MAX {
                return Err(ListenError::TooMany(self.entries.len()));
            }
            let before = self.targets();
            change.on = to.targets().into_iter().filter(|target| !before.contains(target)).collect();
        }
        Ok((change, self.entries.entry(key).or_insert_with(|| Entry::new(to, false))))
    }

    fn drop_unwanted(&mut self) -> Change {
        let mut gone = Vec::new();
        self.entries.retain(|_, entry| {
            let wanted = entry.is_wanted();
            if !wanted {
                gone.extend(&entry.targets);
            }
            wanted
        });
        let left = if gone.is_empty() { Vec::new() } else { self.targets() };
        gone.retain(|target| !left.contains(target));
        Change { on: Vec::new(), off: gone }
    }
}

fn key(to: &ListenTo) -> String {
    match to {
        ListenTo::Name(name) => name.typed().to_owned(),
        // No name begins with a blank.
        ListenTo::Target(target) => format!(" {target}"),
    }
}

fn is_same(one: &ListenTo, other: &ListenTo) -> bool {
    match (one, other) {
        (ListenTo::Name(one), ListenTo::Name(other)) => one.name() == other.name(),
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test may fail loudly")]

    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    fn targets(to: &ListenTo) -> Vec<Target> {
        to.targets()
    }

    fn name(text: &str) -> ListenTo {
        ListenTo::Name(text.parse().unwrap())
    }

    #[test]
    fn two_who_lease_one_name_do_not_end_each_other() {
        let mut listens = Listens::default();
        let (change, first) = listens.lease(name("#demo"), None, Mono(100)).unwrap();
        assert_eq!(change.on, targets(&name("#demo")));
        let (change, second) = listens.lease(name("#demo"), None, Mono(200)).unwrap();
        assert!(first != second && change == Change::default());
        assert_eq!(listens.end(&name("#demo"), Some(first)).unwrap().0, Change::default());
        assert!(listens.end(&name("#demo"), Some(first)).is_none(), "it is over");
        assert_eq!(listens.expire(Mono(200)).off, targets(&name("#demo")));
        assert_eq!((listens.len(), listens.due()), (0, None));
    }

    #[test]
    fn a_lease_is_renewed_by_its_number_and_begun_anew_when_it_is_over() {
        let mut listens = Listens::default();
        let (_, number) = listens.lease(name("#demo"), None, Mono(100)).unwrap();
        assert_eq!(listens.lease(name("#demo"), Some(number), Mono(300)).unwrap().1, number);
        assert_eq!(listens.expire(Mono(200)), Change::default());
        listens.expire(Mono(300));
        let (change, anew) = listens.lease(name("#demo"), Some(number), Mono(400)).unwrap();
        assert!(anew != number && !change.on.is_empty());
    }

    #[test]
    fn what_is_kept_stays_when_leases_end_and_goes_however_it_is_typed() {
        let mut listens = Listens::default();
        listens.keep(name("#Demo")).unwrap();
        let (change, lease) = listens.lease(name("#demo"), None, Mono(100)).unwrap();
        assert_eq!(change, Change::default(), "both are listened to already");
        assert_eq!(listens.end(&name("#demo"), Some(lease)).unwrap().0, Change::default());
        let (change, forget) = listens.end(&name("#DEMO"), None).unwrap();
        assert_eq!(forget, [name("#Demo")]);
        assert_eq!(change.off.len(), 2);
        assert!(listens.end(&name("#demo"), None).is_none());
    }

    #[test]
    fn a_hit_has_the_name_that_was_typed() {
        let mut listens =
            Listens::kept(vec![name("#Demo"), ListenTo::Target(Target([7; 16]))], &mut ChaCha20Rng::from_seed([1; 32]));
        listens.lease(name("nightraven"), None, Mono(1)).unwrap();
        assert_eq!(listens.name_of(targets(&name("#demo"))[0]).as_deref(), Some("#Demo"));
        assert_eq!(listens.name_of(targets(&name("nightraven"))[0]).as_deref(), Some("nightraven"));
        assert_eq!(listens.name_of(Target([7; 16])), None);
    }

    #[test]
    fn there_is_a_most() {
        let mut listens = Listens::default();
        for number in 0..LISTENS_MAX {
            listens.keep(name(&format!("#c{number}"))).unwrap();
        }
        assert_eq!(listens.keep(name("#more")), Err(ListenError::TooMany(LISTENS_MAX)));
        assert!(listens.keep(name("#c1")).is_ok(), "it is listened to already");
    }

    #[test]
    fn leases_are_bounded_and_those_that_stand_are_renewed() {
        let mut listens = Listens::default();
        let (_, first) = listens.lease(name("#demo"), None, Mono(100)).unwrap();
        for _ in 1..LEASES_MAX {
            listens.lease(name("#demo"), None, Mono(200)).unwrap();
        }
        let refused = Err(ListenError::TooManyLeases(LEASES_MAX));
        assert_eq!(listens.lease(name("#demo"), None, Mono(200)), refused);
        assert_eq!(listens.lease(name("#more"), Some(first), Mono(200)), refused);
        assert_eq!(listens.len(), 1, "nothing is left of what was refused");
        assert_eq!(listens.lease(name("#demo"), Some(first), Mono(300)).unwrap().1, first);
        listens.expire(Mono(200));
        assert!(listens.lease(name("#more"), None, Mono(400)).is_ok(), "the others are over");
    }
}
