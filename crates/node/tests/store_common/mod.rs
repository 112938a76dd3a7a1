//! What the tests of the store have in common.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use nightjar_core::record::{MsgId, Record, Target};
use nightjar_core::time::Wall;
use nightjar_node::message::{Content, Filter, Message, NewMessage, Page, Seq};
use nightjar_node::store::{Store, StoreLimits};

pub const NO_LIMITS: StoreLimits = StoreLimits { messages_max: u64::MAX, bytes_max: u64::MAX };

pub fn target(number: u8) -> Target {
    Target([number; 16])
}

/// A dated record that differs from those of other numbers.
pub fn dated(to: u8, number: u64) -> Record {
    Record::dated(target(to), format!("number {number}").as_bytes(), 1_800_000_000, 0, number.to_le_bytes()).unwrap()
}

pub fn plain(to: u8, id: u8, payload: &[u8]) -> Record {
    Record::plain(MsgId([id; 16]), target(to), payload).unwrap()
}

pub fn new(record: Record) -> NewMessage {
    NewMessage {
        received: Wall(1_700_000_000_123),
        own: false,
        late: false,
        name: Some("#demo".into()),
        content: Content::Record(record),
        reading: None,
    }
}

pub fn wallet(text: &[u8]) -> NewMessage {
    let content = Content::Wallet { peer: "192.0.2.7:4004".into(), text: text.to_vec() };
    NewMessage { received: Wall(1_700_000_000_456), own: true, late: false, name: None, content, reading: None }
}

/// Waits until this seq is committed.
pub async fn stored(store: &Store, seq: Seq) {
    store.stored().wait_for(|stored| *stored >= seq).await.unwrap();
}

pub async fn page(store: &Store, since: Seq, limit: usize) -> Page {
    store.messages(since, limit, &Filter::default()).await.unwrap()
}

pub async fn page_of(store: &Store, since: Seq, limit: usize, targets: &[u8]) -> Page {
    let filter = Filter { targets: targets.iter().map(|&number| target(number)).collect(), ..Filter::default() };
    store.messages(since, limit, &filter).await.unwrap()
}

/// The whole log, page by page.
pub async fn all(store: &Store) -> Vec<Message> {
    let last = *store.stored().borrow();
    let (mut since, mut messages) = (0, Vec::new());
    while since < last {
        let page = page(store, since, 1000).await;
        assert!(page.next > since, "every page leads on");
        since = page.next;
        messages.extend(page.messages);
    }
    messages
}

pub fn seqs(messages: &[Message]) -> Vec<Seq> {
    messages.iter().map(|message| message.seq).collect()
}
