//! Messages as this node keeps and shows them, and drafts of those it is to send.

use nightjar_core::name::TypedName;
use nightjar_core::record::{MsgId, Record, Target};
use nightjar_core::time::Wall;

/// The place of a message in this node's own log: counted from 1, gap-free, never used again.
pub type Seq = u64;

/// A message before it has its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// When it came.
    pub received: Wall,
    /// Whether it was sent at this node.
    pub own: bool,
    /// The name it was listened to by, as it was typed.
    pub name: Option<String>,
    /// What came.
    pub content: Content,
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A record that was flooded.
    Record(Record),
    /// A text from, or to, the user of a wallet that is linked to us.
    Wallet {
        /// Address of the wallet.
        peer: String,
        /// The text's bytes.
        text: Vec<u8>,
    },
}

/// A message in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its place.
    pub seq: Seq,
    /// When it came.
    pub received: Wall,
    /// Whether it was sent at this node.
    pub own: bool,
    /// The name it was listened to by, as it was typed.
    pub name: Option<String>,
    /// What came.
    pub content: Content,
}

/// One read of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The messages, in ascending order of seq.
    pub messages: Vec<Message>,
    /// Read on with `since` = this: the seq of the last message looked at, whether it passed the filter or not.
    pub next: Seq,
    /// The oldest seq still kept; 0 when the log is empty and nothing was ever dropped.
    pub first: Seq,
}

/// Which messages of the log are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those to one of these targets; all when empty. Texts of wallets have no target.
    pub targets: Vec<Target>,
}

/// Where a draft is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To whoever listens to a name.
    Name(TypedName),
    /// To whoever listens to a target.
    Target(Target),
}

/// Something to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Where to.
    pub to: Destination,
    /// The text's bytes, or data.
    pub body: Vec<u8>,
    /// Exactly PIP-0038's record: no date, no work, the name hashed as it was typed.
    pub plain: bool,
    /// How long it may be flooded, 10..=3600 s; the default when `None`. A plain record has none.
    pub lifetime_s: Option<u32>,
}

/// What became of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The id of the record.
    pub msg_id: MsgId,
    /// Its target.
    pub target: Target,
    /// Until when it may be flooded, Unix seconds; `None` for a plain record.
    pub expiry: Option<u32>,
    /// To how many peers it went at once.
    pub peers: usize,
}

impl Draft {
    /// A text to a name, as most are.
    pub fn text(name: TypedName, text: &str) -> Self {
        Self { to: Destination::Name(name), body: text.as_bytes().to_vec(), plain: false, lifetime_s: None }
    }
}
