//! Questions to PascalCoin peers that wait for their answers, and texts to wallets, which a daemon takes few of.

use std::collections::{BTreeMap, VecDeque};

use nightjar_core::chain::AccountsAnswer;
use nightjar_core::item::NoAnswer;
use nightjar_core::link::LinkId;
use nightjar_core::time::Mono;
use tokio::sync::oneshot;

/// Peers that one question goes to: a few answers are enough to compare.
pub(super) const ASKED_MAX: usize = 8;
/// Accounts that are asked for together, so that a peer does not learn which of them is meant.
const RUN: u32 = 16;
/// Texts to one wallet in [`WALLET_MS`]; the link's session spaces them out.
const WALLET_TEXTS_MAX: usize = 6;
const WALLET_MS: u64 = 60_000;

type Answer = Result<AccountsAnswer, NoAnswer>;

/// What waits for peers.
#[derive(Default)]
pub(super) struct Asks {
    waiting: BTreeMap<u64, (LinkId, oneshot::Sender<Answer>)>,
    next: u64,
    /// When texts went to the wallet at a link.
    texts: BTreeMap<LinkId, VecDeque<Mono>>,
}

impl Asks {
    /// A question to a link: its number, and where the answer will come.
    pub(super) fn ask(&mut self, link: LinkId) -> (u64, oneshot::Receiver<Answer>) {
        self.next += 1;
        let (reply, answer) = oneshot::channel();
        self.waiting.insert(self.next, (link, reply));
        (self.next, answer)
    }

    pub(super) fn answered(&mut self, link: LinkId, question: u64, answer: Answer) {
        if self.waiting.get(&question).is_some_and(|(asked, _)| *asked == link)
            && let Some((_, reply)) = self.waiting.remove(&question)
        {
            // Whoever asked may have gone.
            reply.send(answer).unwrap_or_default();
        }
    }

    /// Whether a text may go to this wallet now.
    pub(super) fn may_text(&mut self, link: LinkId, now: Mono) -> bool {
        let texts = self.texts.entry(link).or_default();
        while texts.front().is_some_and(|sent| now.since(*sent) >= WALLET_MS) {
            texts.pop_front();
        }
        let may = texts.len() < WALLET_TEXTS_MAX;
        if may {
            texts.push_back(now);
        }
        may
    }

    /// A link is gone: its questions end.
    pub(super) fn forget(&mut self, link: LinkId) {
        self.texts.remove(&link);
        self.waiting.retain(|_, (asked, _)| *asked != link);
    }
}

/// The run of accounts to ask for when one is meant: its first number, and how many. Always the same one: of runs that begin somewhere
/// else each time, few share more than the one that is meant.
pub(super) const fn run_of(number: u32) -> (u32, u32) {
    (number / RUN * RUN, RUN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn all_accounts_of_a_run_are_asked_for_in_the_same_way() {
        for number in [0, 15, 16, 1234, (1 << 31) - 1] {
            let (first, count) = run_of(number);
            assert!((first..first + count).contains(&number));
            assert!((first..first + count).all(|of_it| run_of(of_it) == (first, count)));
            // Numbers from 2^31 on are refused by daemons.
            assert!(first + count <= 1 << 31);
        }
    }

    #[test]
    fn a_wallet_gets_few_texts_a_minute() {
        let (mut asks, link) = (Asks::default(), LinkId::new(0, 1));
        assert_eq!((0..9).filter(|_| asks.may_text(link, Mono(0))).count(), WALLET_TEXTS_MAX);
        assert!(asks.may_text(link, Mono(WALLET_MS)));
    }

    #[tokio::test]
    async fn an_answer_counts_from_the_link_that_was_asked_only() {
        let (mut asks, asked, other) = (Asks::default(), LinkId::new(0, 1), LinkId::new(1, 2));
        let (question, answer) = asks.ask(asked);
        asks.answered(other, question, Err(NoAnswer::Broken));
        asks.answered(asked, question, Err(NoAnswer::Refused(3)));
        assert_eq!(answer.await.unwrap(), Err(NoAnswer::Refused(3)));
        let (_, answer) = asks.ask(asked);
        asks.forget(asked);
        assert!(answer.await.is_err());
    }
}
