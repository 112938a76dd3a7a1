//! What a demonstration expects: each expectation has a sentence, is waited for, and is remembered when it does not hold.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// An expectation that is not met in this time fails. Each is met in a fraction of a second on an idle machine.
const PATIENCE_MS: u64 = 30_000;
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
        self.wait_for(sentence, Duration::from_millis(PATIENCE_MS), look).await;
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
}
