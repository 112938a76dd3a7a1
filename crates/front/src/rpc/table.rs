//! The methods, each written down once: dispatch, the reference page and the tests read them here.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use nightjar_node::handle::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::arguments::{Arguments, Param};
use super::error::{Code, RpcError};
use super::message::Answer;
use super::methods::{
    account, history, identity, ignore, listen, log, messages, node, outbox, peers, people, wallet, window,
};

/// Every method, in the order of the reference page.
pub static METHODS: &[Method<Handle>] = &[
    node::STATUS,
    peers::CONNECTIONS,
    peers::ADD,
    listen::LISTEN,
    listen::UNLISTEN,
    listen::TARGETS,
    messages::SEND,
    messages::GET,
    history::SEARCH,
    history::CONVERSATIONS,
    history::MARK_READ,
    history::ERASE,
    log::EXPORT,
    log::IMPORT,
    outbox::OUTBOX,
    outbox::CANCEL,
    people::JOIN,
    people::PART,
    people::JOINED,
    people::WHOIS,
    people::REQUESTS,
    people::ACCEPT,
    people::DECLINE,
    ignore::IGNORE,
    ignore::UNIGNORE,
    ignore::IGNORED,
    identity::NEW,
    identity::LIST,
    identity::DEFAULT,
    identity::NICK,
    identity::REVOKE,
    identity::HAND_OVER,
    identity::EXPORT,
    identity::IMPORT,
    identity::UNLOCK,
    identity::LOCK,
    identity::PASSPHRASE_OF,
    identity::PROVE,
    account::GET,
    wallet::SEND,
    window::WINDOW,
    window::CATCH_UP,
];

/// Seconds that calls of one HTTP request may wait for messages, together.
pub const WAIT_S_MAX: u64 = 60;
/// Calls that wait for messages at one time: a quarter of the connections, so that others find room.
pub const WAITING_MAX: usize = 64;

/// A method that is served on an `N`.
pub struct Method<N: 'static> {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// What is worth knowing beside the parameters and the result; may be empty.
    pub notes: &'static str,
    /// What it takes.
    pub params: &'static [Param],
    /// What it gives.
    pub result: &'static [Field],
    /// Parameters of an example, as JSON.
    pub example: &'static str,
    /// What the example may give, as JSON.
    pub example_result: &'static str,
    /// The function.
    pub(crate) run: fn(Call<N>, Arguments) -> Running,
}

/// A method that runs.
pub(crate) type Running = Pin<Box<dyn Future<Output = Result<Answer, RpcError>> + Send>>;

/// A member of a result.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Where it stands: `messages[].seq` is the member `seq` of every item of the array `messages`.
    pub path: &'static str,
    /// What it is, in a word or two.
    pub kind: &'static str,
    /// Whether it is there whenever what it is a member of is.
    pub always: bool,
    /// What it means.
    pub doc: &'static str,
}

/// A member that is always there.
pub(crate) const fn field(path: &'static str, kind: &'static str, doc: &'static str) -> Field {
    Field { path, kind, always: true, doc }
}

/// A member that may be missing.
pub(crate) const fn field_if(path: &'static str, kind: &'static str, doc: &'static str) -> Field {
    Field { path, kind, always: false, doc }
}

/// Members that several methods give, and those of one behind them. `N` is the number of both together.
#[expect(clippy::indexing_slicing, reason = "it runs while the program is compiled")]
pub(crate) const fn followed_by<const N: usize>(common: &[Field], own: &[Field]) -> [Field; N] {
    assert!(common.len() + own.len() == N, "N is the number of both together");
    let mut all = [field("", "", ""); N];
    let mut at = 0;
    while at < N {
        all[at] = if at < common.len() { common[at] } else { own[at - common.len()] };
        at += 1;
    }
    all
}

/// What a method may use.
#[derive(Debug)]
pub(crate) struct Call<N> {
    /// What it is about.
    pub(crate) node: N,
    /// How long it may wait.
    pub(crate) patience: Patience,
}

/// Leave to wait: for a limited time, for a limited number of callers, and not beyond the end of the server.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    seats: Arc<Semaphore>,
    stop: watch::Receiver<()>,
    until: Instant,
}

impl Patience {
    /// For the calls of one HTTP request that begins now.
    pub(crate) fn new(seats: Arc<Semaphore>, stop: watch::Receiver<()>) -> Self {
        Self { seats, stop, until: Instant::now() + Duration::from_secs(WAIT_S_MAX) }
    }

    /// Runs what waits; it is told how long it may.
    pub(crate) async fn wait<T, F>(mut self, wanted: Duration, work: impl FnOnce(Duration) -> F) -> Result<T, RpcError>
    where
        F: Future<Output = T>,
    {
        let _seat = self.seats.try_acquire().map_err(|_| {
            RpcError::new(
                Code::TooMany,
                format!("{WAITING_MAX} calls wait already: ask again without wait_s, or later"),
            )
        })?;
        let left = self.until.saturating_duration_since(Instant::now());
        tokio::select! {
            done = work(wanted.min(left)) => Ok(done),
            // Fails when nobody wants the server any more.
            _ = self.stop.changed() => Err(RpcError::stopping()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::arguments::Need;
    use super::*;

    #[test]
    fn names_are_told_once_and_all_that_is_named_exists() {
        let names: BTreeSet<_> = METHODS.iter().map(|method| method.name).collect();
        assert_eq!(names.len(), METHODS.len());
        for method in METHODS {
            let params: BTreeSet<_> = method.params.iter().map(|param| param.name).collect();
            assert_eq!(params.len(), method.params.len(), "{}", method.name);
            for param in method.params {
                let Need::Either(other) = param.need else { continue };
                let other = method.params.iter().find(|param| param.name == other).unwrap();
                assert_eq!(other.need, Need::Either(param.name), "{}", method.name);
            }
        }
    }

    #[test]
    fn every_example_is_a_call_that_its_method_takes() {
        for method in METHODS {
            let Value::Object(params) = serde_json::from_str(method.example).unwrap() else {
                panic!("the example of {} is an object", method.name)
            };
            Arguments::check(method.params, params).unwrap();
        }
    }

    #[test]
    fn every_example_result_has_the_members_that_its_method_declares() {
        for method in METHODS {
            let result = serde_json::from_str(method.example_result).unwrap();
            let complaints = super::super::reference::undocumented(method.result, &result);
            assert!(complaints.is_empty(), "{}: {complaints:?}", method.name);
        }
    }

    #[tokio::test]
    async fn a_wait_ends_with_the_server() {
        let (stop, stopped) = watch::channel(());
        let patience = Patience::new(Arc::new(Semaphore::new(1)), stopped);
        let waiting = tokio::spawn(patience.wait(Duration::from_secs(60), |_| std::future::pending::<()>()));
        drop(stop);
        assert_eq!(waiting.await.unwrap(), Err(RpcError::stopping()));
    }

    #[tokio::test]
    async fn only_so_many_wait_and_each_no_longer_than_is_left() {
        let (_stop, stopped) = watch::channel(());
        let seats = Arc::new(Semaphore::new(1));
        let patience = Patience::new(Arc::clone(&seats), stopped);
        let told = patience.clone().wait(Duration::from_secs(1000), |told| async move { told }).await.unwrap();
        assert!(told <= Duration::from_secs(WAIT_S_MAX));
        let _taken = seats.try_acquire().unwrap();
        let refused = patience.wait(Duration::ZERO, |_| async {}).await.unwrap_err();
        assert_eq!(refused.code, Code::TooMany);
    }
}
