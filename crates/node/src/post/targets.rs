//! What the engine is to listen to because of keys, handed over as what changed since it last took it. There are tens of thousands
//! of targets, and strangers have a say in some: who writes to us for the first time must not cost a look at all of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nightjar_core::record::Target;
use tokio::sync::Notify;

/// Targets that mean something from now on (`true`), or nothing any more. What comes and goes again did not change, so there are never
/// more than there are targets before and after together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved(BTreeMap<Target, bool>);

impl Moved {
    /// A target came, or went. It does so in turns.
    pub(super) fn note(&mut self, target: Target, on: bool) {
        if self.0.remove(&target).is_none() {
            self.0.insert(target, on);
        }
    }
}

impl IntoIterator for Moved {
    type Item = (Target, bool);
    type IntoIter = std::collections::btree_map::IntoIter<Target, bool>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// What waits for the engine. It takes it at its next turn, and never waits for a key.
#[derive(Debug, Default)]
pub(crate) struct Keyed {
    moved: Mutex<Moved>,
    told: Notify,
}

impl Keyed {
    pub(super) fn hand_over(&self, moved: Moved) {
        let mut waiting = self.moved();
        for (target, on) in moved {
            waiting.note(target, on);
        }
        drop(waiting);
        self.told.notify_one();
    }

    /// Waits until there may be something to take.
    pub(crate) async fn told(&self) {
        self.told.notified().await;
    }

    pub(crate) fn take(&self) -> Moved {
        std::mem::take(&mut *self.moved())
    }

    // Nobody panics while holding it.
    fn moved(&self) -> MutexGuard<'_, Moved> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_before_it_is_taken_did_not_change() {
        let keyed = Keyed::default();
        let hand_over = |all: &[(u8, bool)]| {
            let mut moved = Moved::default();
            all.iter().for_each(|(number, on)| moved.note(Target([*number; 16]), *on));
            keyed.hand_over(moved);
        };
        hand_over(&[(1, true), (2, true), (1, false)]);
        hand_over(&[(2, false), (3, true), (4, false)]);
        let taken: Vec<_> = keyed.take().into_iter().collect();
        assert_eq!(taken, [(Target([3; 16]), true), (Target([4; 16]), false)]);
        assert_eq!(keyed.take(), Moved::default());
    }
}
