//! Whatever is stored, dropped, read and restarted in whatever order: the log is the list that it should be.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod store_common;

use std::collections::BTreeSet;

use nightjar_core::record::Target;
use nightjar_node::message::{Content, NewMessage, Seq};
use nightjar_node::store::{MESSAGE_BYTES_EXTRA, Store, StoreLimits};
use proptest::prelude::*;
use store_common::{dated, new, page, page_of, plain, seqs, stored, target, wallet};

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<NewMessage>),
    Restart(StoreLimits),
    Read { since: Seq, limit: usize, targets: Vec<u8> },
}

/// The log as it should be.
#[derive(Default)]
struct Model {
    last: Seq,
    kept: Vec<(Seq, NewMessage)>,
}

impl Model {
    fn append(&mut self, messages: &[NewMessage]) {
        for message in messages {
            let there = |kept: &(Seq, NewMessage)| kept.1.content == message.content;
            if matches!(message.content, Content::Wallet { .. }) || !self.kept.iter().any(there) {
                self.last += 1;
                self.kept.push((self.last, message.clone()));
            }
        }
    }

    fn limit(&mut self, limits: StoreLimits) {
        let bytes = |kept: &[(Seq, NewMessage)]| kept.iter().map(|(_, message)| cost(message)).sum::<u64>();
        while self.kept.len() as u64 > limits.messages_max || bytes(&self.kept) > limits.bytes_max {
            self.kept.remove(0);
        }
    }

    fn first(&self) -> Seq {
        let next = if self.last == 0 { 0 } else { self.last + 1 };
        self.kept.first().map_or(next, |(seq, _)| *seq)
    }
}

fn cost(message: &NewMessage) -> u64 {
    let bytes = match &message.content {
        Content::Record(record) => record.bytes().len(),
        Content::Wallet { text, .. } => text.len(),
    };
    bytes as u64 + MESSAGE_BYTES_EXTRA
}

fn target_of(message: &NewMessage) -> Option<Target> {
    match &message.content {
        Content::Record(record) => Some(record.target()),
        Content::Wallet { .. } => None,
    }
}

fn any_message() -> impl Strategy<Value = NewMessage> {
    prop_oneof![
        (0..3u8, 0..40u64).prop_map(|(to, number)| new(dated(to, number))),
        (0..3u8, 0..3u8, proptest::collection::vec(0..2u8, 0..3))
            .prop_map(|(to, id, payload)| new(plain(to, id, &payload))),
        Just(wallet(b"hello")),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let limits = (prop_oneof![1..30u64, Just(u64::MAX)], prop_oneof![1..3000u64, Just(u64::MAX)])
        .prop_map(|(messages_max, bytes_max)| StoreLimits { messages_max, bytes_max });
    prop_oneof![
        4 => proptest::collection::vec(any_message(), 1..30).prop_map(Step::Append),
        1 => limits.prop_map(Step::Restart),
        4 => (0..120u64, 1..20usize, proptest::collection::vec(0..4u8, 0..3))
            .prop_map(|(since, limit, targets)| Step::Read { since, limit, targets }),
    ]
}

async fn run(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nightjar.db");
    let mut limits = store_common::NO_LIMITS;
    let (mut store, mut model) = (Store::open(&path, limits).unwrap(), Model::default());
    for step in steps {
        match step {
            Step::Append(messages) => {
                model.append(&messages);
                store.append(messages);
                // Repeats alone change no seq, and what comes behind them is looked at behind them.
                stored(&store, model.last).await;
                model.limit(limits);
            }
            Step::Restart(new_limits) => {
                store.close().await;
                limits = new_limits;
                store = Store::open(&path, limits).unwrap();
                // One listening more is one commit more: behind it the log is within its new limits.
                store.keep_listen(nightjar_node::handle::ListenTo::Target(target(9))).await.unwrap();
                model.limit(limits);
            }
            Step::Read { since, limit, targets } => check(&store, &model, since, limit, &targets).await,
        }
        check(&store, &model, 0, 1000, &[]).await;
    }
    store.close().await;
    assert_eq!(*store.stored().borrow(), model.last);
}

async fn check(store: &Store, model: &Model, since: Seq, limit: usize, targets: &[u8]) {
    let page =
        if targets.is_empty() { page(store, since, limit).await } else { page_of(store, since, limit, targets).await };
    let targets: BTreeSet<Target> = targets.iter().map(|&number| target(number)).collect();
    let passes =
        |message: &NewMessage| targets.is_empty() || target_of(message).is_some_and(|target| targets.contains(&target));
    let wanted: Vec<Seq> = model
        .kept
        .iter()
        .filter(|(seq, message)| *seq > since && passes(message))
        .map(|(seq, _)| *seq)
        .take(limit)
        .collect();
    assert_eq!(seqs(&page.messages), wanted);
    let next = if wanted.len() == limit { wanted[limit - 1] } else { model.last };
    assert_eq!((page.next, page.first), (next, model.first()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_log_is_the_list_that_it_should_be(steps in proptest::collection::vec(any_step(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps));
    }
}
