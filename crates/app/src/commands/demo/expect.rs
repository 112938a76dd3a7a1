//! What a demonstration expects: each expectation has a sentence, is waited for, and is remembered when it does not hold.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::{Duration, Instant};

use nightjar_core::address::LinkKind;
use nightjar_core::link::Carries;
use nightjar_core::record::MsgId;
use tokio::time::sleep;

use super::native::Native;

/// An expectation that is not met in this time fails. Each is met in a fraction of a second on an idle machine.
const PATIENCE_MS: u64 = 30_000;
/// The same once one has failed: what follows from that failure is not to take minutes.
const PATIENCE_AFTER_FAILURE_MS: u64 = 1_000;
/// How often it is looked at.
const LOOK_MS: u64 = 10;

/// The expectations so far.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    held: usize,
    failed: Vec<String>,
}

impl Expectations {
    /// Waits until `look` finds nothing that is missing, and says on stderr how it went. `look` gives what is still
    /// missing, in words.
    pub(super) async fn wait<F, L>(&mut self, sentence: &str, look: L)
    where
        L: FnMut() -> F,
        F: Future<Output = Option<String>>,
    {
        let patience_ms = if self.all_held() { PATIENCE_MS } else { PATIENCE_AFTER_FAILURE_MS };
        self.wait_for(sentence, Duration::from_millis(patience_ms), look).await;
    }

    async fn wait_for<F, L>(&mut self, sentence: &str, patience: Duration, mut look: L)
    where
        L: FnMut() -> F,
        F: Future<Output = Option<String>>,
    {
        let begun = Instant::now();
        loop {
            let Some(missing) = look().await else {
                self.held += 1;
                return super::progress(&format!("ok      {sentence}"));
            };
            if begun.elapsed() >= patience {
                super::progress(&format!("FAILED  {sentence}: {missing}"));
                return self.failed.push(format!("{sentence}: {missing}"));
            }
            sleep(Duration::from_millis(LOOK_MS)).await;
        }
    }

    /// Looks once.
    pub(super) async fn check<F>(&mut self, sentence: &str, look: impl FnMut() -> F)
    where
        F: Future<Output = Option<String>>,
    {
        self.wait_for(sentence, Duration::ZERO, look).await;
    }

    /// Whether none has failed.
    pub(super) const fn all_held(&self) -> bool {
        self.failed.is_empty()
    }

    /// How many held.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Those that failed, with what was missing.
    pub(super) fn failed(&self) -> &[String] {
        &self.failed
    }
}

/// What is missing until a node has so many links of a kind to such peers, in words.
pub(super) fn missing_links(native: &Native, kind: LinkKind, carries: Carries, wanted: usize) -> Option<String> {
    let status = native.status();
    let links = status.connections.iter().filter(|link| link.peer.kind == kind && link.peer.carries == carries);
    let have = links.count();
    (have != wanted).then(|| format!("it has {have} such links, {wanted} are wanted"))
}

/// The same for the messages in the log of a node.
pub(super) fn missing_messages(native: &Native, wanted: &BTreeSet<MsgId>) -> Option<String> {
    missing_ids(wanted, &counted(native.noted().iter().map(|noted| noted.record.msg_id())))
}

/// What is missing until exactly the wanted ids are there, each once, in words.
pub(super) fn missing_ids(wanted: &BTreeSet<MsgId>, have: &BTreeMap<MsgId, usize>) -> Option<String> {
    let missing = wanted.iter().filter(|id| !have.contains_key(id)).count();
    let twice = have.values().filter(|count| **count > 1).count();
    let strange = have.keys().filter(|id| !wanted.contains(id)).count();
    (missing + twice + strange > 0)
        .then(|| format!("{missing} are missing, {twice} are there more than once, {strange} should not be there"))
}

/// What is missing until a count is as wanted, in words.
pub(super) fn missing_counts(what: &str, have: u64, wanted: u64) -> Option<String> {
    (have != wanted).then(|| format!("{what} are {have}, {wanted} are wanted"))
}

/// How often each id is there.
pub(super) fn counted(ids: impl Iterator<Item = MsgId>) -> BTreeMap<MsgId, usize> {
    let mut counted = BTreeMap::new();
    for id in ids {
        *counted.entry(id).or_default() += 1;
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::ready;

    #[tokio::test]
    async fn an_expectation_is_waited_for_and_one_that_fails_is_named() {
        let mut expectations = Expectations::default();
        let looks = Cell::new(0);
        let look = || {
            looks.set(looks.get() + 1);
            ready((looks.get() < 3).then(|| "not yet".to_owned()))
        };
        expectations.wait("comes at the third look", look).await;
        assert!(expectations.all_held());
        expectations.check("never comes", || ready(Some("nothing is there".to_owned()))).await;
        assert_eq!(
            (expectations.held(), expectations.failed()),
            (1, &["never comes: nothing is there".to_owned()][..])
        );
        assert!(!expectations.all_held());
    }

    #[test]
    fn messages_that_are_missing_double_or_strange_are_told_apart() {
        let id = |number| MsgId([number; 16]);
        let wanted = BTreeSet::from([id(1), id(2)]);
        assert_eq!(missing_ids(&wanted, &counted([id(1), id(2)].into_iter())), None);
        let said = missing_ids(&wanted, &counted([id(1), id(1), id(3)].into_iter()));
        assert_eq!(said.unwrap_or_default(), "1 are missing, 1 are there more than once, 1 should not be there");
    }
}
