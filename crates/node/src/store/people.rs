//! Who is known, what is joined, which keys talk with which: rows that change as a whole. Read once at the start; the
//! opener and the handle keep them in memory.

use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::ChatKey;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, Transaction, params};
use zeroize::Zeroizing;

use super::log::Log;
use super::outbox::{self, Again, Outgoing};
use super::read::signed;
use super::{cost, history};
use crate::chain::standing::Standing;
use crate::message::{Delivery, NewMessage, Seq, Speaker};

/// Rows of each kind that are read at the start: far more than memory keeps of each.
const ROWS_MAX: usize = 65_536;

/// A name that is read with a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Joined {
    /// In the one form that is hashed.
    pub name: String,
    /// As it was typed.
    pub typed: String,
    /// What a channel's passphrase was stretched to.
    pub root: Option<Zeroizing<[u8; 32]>>,
    /// A password of PascalCoin's own kind.
    pub password: Option<Zeroizing<String>>,
}

/// Its secrets stay out of every log.
impl std::fmt::Debug for Joined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Joined").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How the user stands to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// A stranger who wrote to us.
    Request,
    /// We wrote to him, or accepted.
    Contact,
    /// We do not want to hear from him.
    Declined,
}

/// A chat key of this node and another that talk under seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Ours.
    pub own: ChatKey,
    /// The other.
    pub other: ChatKey,
    /// How we stand to him.
    pub relation: Relation,
    /// When we last wrote, Unix seconds; 0 = never.
    pub wrote: u32,
    /// When something valid last came on the pair's own target; 0 = never.
    pub answered: u32,
    /// When anything last came under seal; 0 = never.
    pub heard: u32,
    /// When a stranger last asked to be heard, under seal or in clear; 0 = never.
    pub asked: u32,
}

impl Pair {
    /// Two who had nothing to do with each other so far.
    pub const fn new(own: ChatKey, other: ChatKey, relation: Relation) -> Self {
        Self { own, other, relation, wrote: 0, answered: 0, heard: 0, asked: 0 }
    }
}

/// A delegation that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The account.
    pub account: u32,
    /// The chat key that may speak for it.
    pub key: ChatKey,
    /// The account's key, compressed, behind the byte of its curve.
    pub point: Vec<u8>,
    /// The whole delegation.
    pub bytes: Vec<u8>,
    /// Whether the account's key was once seen to be this one.
    pub matched: bool,
    /// Whether it was made here, and is told again.
    pub own: bool,
    /// When it came.
    pub received: Wall,
}

/// A nick or an account that means one chat key, whoever else goes by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// In the one form that is hashed.
    pub name: String,
    /// Whom it means.
    pub key: ChatKey,
    /// When it was last written to.
    pub used: Wall,
}

/// The end of a delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The end itself.
    pub proof: Proof,
    /// Whether a delegation that it ends was seen here.
    pub seen: bool,
}

/// All that is kept of people.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// What is joined.
    pub joined: Vec<Joined>,
    /// Who talks with whom.
    pub pairs: Vec<Pair>,
    /// Who is not to be heard and is in no pair, and since when, those declined last first.
    pub declined: Vec<(ChatKey, Wall)>,
    /// Who was heard of, those heard last first.
    pub speakers: Vec<Speaker>,
    /// Delegations, those that came last first.
    pub proofs: Vec<Proof>,
    /// Ends of delegations, those that came last first.
    pub ends: Vec<Ended>,
    /// With which key a conversation is held; `None` = with none.
    pub speaks: Vec<(String, Option<ChatKey>)>,
    /// Whom names mean, those used last first.
    pub pins: Vec<Pin>,
    /// Channels that were joined with a passphrase and left, and when; those left last first.
    pub parted: Vec<(String, Wall)>,
    /// Keys that go on as another, and which.
    pub heirs: Vec<(ChatKey, ChatKey)>,
    /// Accounts, nicks and patterns that are ignored.
    pub ignored: Vec<String>,
    /// Own messages that did not all go out yet, what waits longest first.
    pub outbox: Vec<Outgoing>,
}

/// Something that changes in it. Written with the messages of the same batch, or not at all.
#[derive(Clone, Debug)]
pub enum Change {
    /// A name is joined.
    Join(Joined),
    /// A name is left.
    Part(String),
    /// A pair is new, or another than it was.
    Pair(Pair),
    /// A pair is forgotten.
    NoPair(ChatKey, ChatKey),
    /// Somebody is not to be heard, and in no pair.
    Declined(ChatKey, Wall),
    /// That is forgotten.
    NotDeclined(ChatKey),
    /// Somebody is new, or another than he was.
    Speaker(Speaker),
    /// Somebody is forgotten.
    NoSpeaker(ChatKey),
    /// A delegation counts from now on, instead of any other of the same account, point and key.
    Proof(Proof),
    /// A delegation is forgotten.
    NoProof(u32, ChatKey, Vec<u8>),
    /// Delegations of one account, point and key have ended, and any other end of them is forgotten.
    End(Ended),
    /// That they ended is forgotten.
    NoEnd(u32, ChatKey, Vec<u8>),
    /// The key for a conversation is chosen.
    Speaks(String, Option<ChatKey>),
    /// A name means a key from now on, or was used again.
    Pin(Pin),
    /// Whom a name means is forgotten.
    NoPin(String),
    /// A channel with a passphrase is left.
    Parted(String, Wall),
    /// That it was left is forgotten.
    NoParted(String),
    /// A key goes on as another.
    Heir(ChatKey, ChatKey),
    /// Which key another goes on as is forgotten.
    NoHeir(ChatKey),
    /// An account, a nick or a pattern is ignored.
    Ignored(String),
    /// It is so no more.
    NotIgnored(String),
    /// What came from this key since, and could not be checked then, was checked now.
    Checked {
        /// The author.
        author: ChatKey,
        /// Messages that came before, or late, stay unchecked: the chain said nothing of that time.
        since: Wall,
        /// What the chain says.
        standing: Standing,
    },
    /// What came from somebody is a request no more.
    Accepted(ChatKey),
    /// A message of this node, and how far it came.
    Own(Box<NewMessage>, Delivery),
    /// The recipient says that a message of this node came.
    Acknowledged {
        /// Where it belongs.
        conversation: String,
        /// The chat key of this node that wrote it.
        by: ChatKey,
        /// How its id begins.
        id: [u8; 8],
    },
    /// How far a message of this node came.
    Delivery(String, MessageId, Delivery),
    /// A message waits to go out.
    Outgoing(Outgoing),
    /// It went, or is given up.
    NotOutgoing(String, MessageId),
    /// All of an own message was handed to links.
    Went(String, MessageId),
    /// Messages are erased at this time.
    Erase(Vec<Seq>, Wall),
    /// A conversation was read up to there.
    Read(String, Seq),
    /// A conversation was read up to this moment of what is shown; what is ahead of this time is cut.
    ReadUntil {
        /// Which.
        conversation: String,
        /// The moment.
        until: Wall,
        /// What time it is.
        now: Wall,
    },
}

/// What a change costs while it waits, when it has neither a message nor a text of some length in it.
const CHANGE_BYTES: u64 = 512;

impl Change {
    /// What it costs while it waits.
    pub(super) fn bytes(&self) -> u64 {
        CHANGE_BYTES
            + match self {
                Self::Own(message, _) => cost(message),
                Self::Outgoing(Outgoing { again: Again::AsItIs(records), .. }) => {
                    records.iter().map(|record| record.bytes().len() as u64).sum()
                }
                Self::Outgoing(Outgoing { again: Again::Anew { map, .. }, .. }) => map.len() as u64,
                Self::Proof(proof) => proof.bytes.len() as u64,
                Self::Erase(seqs, _) => size_of_val(seqs.as_slice()) as u64,
                _ => 0,
            }
    }
}

pub(super) fn change(log: &mut Log<'_>, change: &Change) -> rusqlite::Result<()> {
    let transaction = log.transaction;
    match change {
        Change::Own(message, delivery) => return log.store_own(message, delivery),
        Change::Delivery(conversation, id, delivery) => return log.deliver(conversation, *id, delivery),
        Change::Acknowledged { conversation, by, id } => return log.acknowledge(conversation, by, id),
        Change::Outgoing(outgoing) => outbox::put(transaction, outgoing),
        Change::Erase(seqs, now) => return log.erase(&seqs.iter().map(|seq| signed(*seq)).collect::<Vec<_>>(), *now),
        Change::Read(conversation, seq) => history::mark_read(transaction, conversation, *seq),
        Change::ReadUntil { conversation, until, now } => {
            history::mark_read_until(transaction, conversation, *until, *now)
        }
        Change::NotOutgoing(conversation, id) => outbox::remove(transaction, conversation, *id),
        Change::Went(conversation, id) => outbox::went(transaction, conversation, *id),
        Change::Join(Joined { name, typed, root, password }) => transaction.execute(
            "INSERT OR REPLACE INTO joined (name, typed, root, password) VALUES (?1, ?2, ?3, ?4)",
            params![
                name,
                typed,
                root.as_ref().map(|root| root.as_slice()),
                password.as_ref().map(|text| text.as_str())
            ],
        ),
        Change::Part(name) => transaction.execute("DELETE FROM joined WHERE name = ?1", [name]),
        Change::Pair(Pair { own, other, relation, wrote, answered, heard, asked }) => transaction.execute(
            "INSERT OR REPLACE INTO pair (own, other, relation, wrote, answered, heard, asked)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![own.as_bytes(), other.as_bytes(), relation.number(), wrote, answered, heard, asked],
        ),
        Change::NoPair(own, other) => transaction
            .execute("DELETE FROM pair WHERE own = ?1 AND other = ?2", params![own.as_bytes(), other.as_bytes()]),
        Change::Declined(key, when) => transaction.execute(
            "INSERT OR REPLACE INTO declined (key, declined_ms) VALUES (?1, ?2)",
            params![key.as_bytes(), signed(when.0)],
        ),
        Change::NotDeclined(key) => transaction.execute("DELETE FROM declined WHERE key = ?1", params![key.as_bytes()]),
        Change::Speaker(speaker) => {
            // Told before it is written: that it differs is seen in what is there.
            if !is_known_so(transaction, speaker)? {
                log.author(&speaker.key)?;
            }
            let Speaker { key, nick, nick_ms, account, standing, source, block, looked, first, heard } = speaker;
            transaction.execute(
                "INSERT OR REPLACE INTO speaker
                 (key, nick, nick_ms, account, state, source, block, looked_ms, heard_ms, first_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    key.as_bytes(),
                    nick,
                    signed(*nick_ms),
                    account,
                    standing.to_string(),
                    source,
                    block,
                    signed(looked.0),
                    signed(heard.0),
                    signed(first.0)
                ],
            )
        }
        Change::NoSpeaker(key) => transaction.execute("DELETE FROM speaker WHERE key = ?1", params![key.as_bytes()]),
        Change::Proof(Proof { account, key, point, bytes, matched, own, received }) => transaction.execute(
            "INSERT OR REPLACE INTO proof (account, key, point, bytes, matched, own, received_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![account, key.as_bytes(), point, bytes, matched, own, signed(received.0)],
        ),
        Change::NoProof(account, key, point) => transaction.execute(
            "DELETE FROM proof WHERE account = ?1 AND key = ?2 AND point = ?3",
            params![account, key.as_bytes(), point],
        ),
        Change::End(Ended { proof: Proof { account, key, point, bytes, matched, own, received }, seen }) => transaction
            .execute(
                "INSERT OR REPLACE INTO ended (account, key, point, bytes, matched, own, received_ms, seen)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![account, key.as_bytes(), point, bytes, matched, own, signed(received.0), seen],
            ),
        Change::NoEnd(account, key, point) => transaction.execute(
            "DELETE FROM ended WHERE account = ?1 AND key = ?2 AND point = ?3",
            params![account, key.as_bytes(), point],
        ),
        Change::Speaks(conversation, key) => transaction.execute(
            "INSERT OR REPLACE INTO speaks (conversation, key) VALUES (?1, ?2)",
            params![conversation, key.map(|key| *key.as_bytes())],
        ),
        Change::Pin(Pin { name, key, used }) => transaction.execute(
            "INSERT OR REPLACE INTO pin (name, key, used_ms) VALUES (?1, ?2, ?3)",
            params![name, key.as_bytes(), signed(used.0)],
        ),
        Change::NoPin(name) => transaction.execute("DELETE FROM pin WHERE name = ?1", [name]),
        Change::Parted(name, when) => transaction
            .execute("INSERT OR REPLACE INTO parted (name, parted_ms) VALUES (?1, ?2)", params![name, signed(when.0)]),
        Change::NoParted(name) => transaction.execute("DELETE FROM parted WHERE name = ?1", [name]),
        Change::Heir(old, heir) => transaction.execute(
            "INSERT OR REPLACE INTO heir (old, heir) VALUES (?1, ?2)",
            params![old.as_bytes(), heir.as_bytes()],
        ),
        Change::NoHeir(old) => transaction.execute("DELETE FROM heir WHERE old = ?1", params![old.as_bytes()]),
        Change::Ignored(what) => transaction.execute("INSERT OR IGNORE INTO ignored (what) VALUES (?1)", [what]),
        Change::NotIgnored(what) => transaction.execute("DELETE FROM ignored WHERE what = ?1", [what]),
        Change::Checked { author, since, standing } => {
            let checked = transaction.execute(
                "UPDATE message SET state = ?3 WHERE author = ?1 AND received_ms >= ?2 AND NOT late AND state IN (?4, ?5)",
                params![
                    author.as_bytes(),
                    signed(since.0),
                    standing.to_string(),
                    Standing::Unchecked.to_string(),
                    Standing::Claimed.to_string()
                ],
            )?;
            if checked > 0 {
                log.author(author)?;
            }
            Ok(checked)
        }
        Change::Accepted(author) => {
            let accepted = transaction.execute(
                "UPDATE message SET request = 0 WHERE author = ?1 AND request = 1",
                params![author.as_bytes()],
            )?;
            if accepted > 0 {
                log.author(author)?;
            }
            Ok(accepted)
        }
    }
    .map(drop)
}

/// Whether readers know an author by this nick, account and standing.
fn is_known_so(transaction: &Transaction<'_>, speaker: &Speaker) -> rusqlite::Result<bool> {
    let Speaker { key, nick, account, standing, .. } = speaker;
    transaction
        .prepare_cached("SELECT 1 FROM speaker WHERE key = ?1 AND nick IS ?2 AND account IS ?3 AND state = ?4")?
        .exists(params![key.as_bytes(), nick, account, standing.to_string()])
}

impl Relation {
    const fn number(self) -> i64 {
        match self {
            Self::Request => 0,
            Self::Contact => 1,
            Self::Declined => 2,
        }
    }

    const fn of(number: i64) -> Self {
        match number {
            1 => Self::Contact,
            2 => Self::Declined,
            _ => Self::Request,
        }
    }
}

/// All of it. Rows that make no sense are left out, and said.
pub(super) fn people(connection: &mut Connection) -> rusqlite::Result<People> {
    let look = connection.transaction()?;
    Ok(People {
        joined: rows(&look, "SELECT name, typed, root, password FROM joined ORDER BY name", |row| {
            Ok(Joined {
                name: row.get(0)?,
                typed: row.get(1)?,
                root: row.get::<_, Option<[u8; 32]>>(2)?.map(Zeroizing::new),
                password: row.get::<_, Option<String>>(3)?.map(Zeroizing::new),
            })
        })?,
        pairs: rows(
            &look,
            "SELECT own, other, relation, wrote, answered, heard, asked FROM pair
             ORDER BY max(wrote, answered, heard, asked) DESC",
            |row| {
                Ok(Pair {
                    own: key(row, 0)?,
                    other: key(row, 1)?,
                    relation: Relation::of(row.get(2)?),
                    wrote: row.get(3)?,
                    answered: row.get(4)?,
                    heard: row.get(5)?,
                    asked: row.get(6)?,
                })
            },
        )?,
        declined: rows(&look, "SELECT key, declined_ms FROM declined ORDER BY declined_ms DESC", |row| {
            Ok((key(row, 0)?, wall(row, 1)?))
        })?,
        speakers: rows(&look, &format!("SELECT {SPEAKER} FROM speaker ORDER BY heard_ms DESC"), |row| speaker(row, 0))?,
        proofs: rows(
            &look,
            "SELECT account, key, point, bytes, matched, own, received_ms FROM proof ORDER BY received_ms DESC",
            proof,
        )?,
        ends: rows(
            &look,
            "SELECT account, key, point, bytes, matched, own, received_ms, seen FROM ended ORDER BY received_ms DESC",
            |row| Ok(Ended { proof: proof(row)?, seen: row.get(7)? }),
        )?,
        speaks: rows(&look, "SELECT conversation, key FROM speaks", |row| {
            let key = row.get::<_, Option<[u8; 32]>>(1)?.map(|bytes| checked(bytes, 1)).transpose()?;
            Ok((row.get(0)?, key))
        })?,
        pins: rows(&look, "SELECT name, key, used_ms FROM pin ORDER BY used_ms DESC", |row| {
            Ok(Pin { name: row.get(0)?, key: key(row, 1)?, used: wall(row, 2)? })
        })?,
        parted: rows(&look, "SELECT name, parted_ms FROM parted ORDER BY parted_ms DESC", |row| {
            Ok((row.get(0)?, wall(row, 1)?))
        })?,
        heirs: rows(&look, "SELECT old, heir FROM heir", |row| Ok((key(row, 0)?, key(row, 1)?)))?,
        ignored: rows(&look, "SELECT what FROM ignored ORDER BY what", |row| row.get(0))?,
        outbox: outbox::all(&look)?,
    })
}

fn proof(row: &Row<'_>) -> rusqlite::Result<Proof> {
    Ok(Proof {
        account: row.get(0)?,
        key: key(row, 1)?,
        point: row.get(2)?,
        bytes: row.get(3)?,
        matched: row.get(4)?,
        own: row.get(5)?,
        received: wall(row, 6)?,
    })
}

/// The columns of a speaker, in the order in which [`speaker`] reads them.
pub(super) const SPEAKER: &str = "speaker.key, speaker.nick, speaker.nick_ms, speaker.account, speaker.state, \
     speaker.source, speaker.block, speaker.looked_ms, speaker.heard_ms, speaker.first_ms";

/// Reads a speaker whose columns begin at `from`.
pub(super) fn speaker(row: &Row<'_>, from: usize) -> rusqlite::Result<Speaker> {
    Ok(Speaker {
        key: key(row, from)?,
        nick: row.get(from + 1)?,
        nick_ms: row.get::<_, i64>(from + 2)?.cast_unsigned(),
        account: row.get(from + 3)?,
        standing: standing(row, from + 4)?,
        source: row.get(from + 5)?,
        block: row.get(from + 6)?,
        looked: wall(row, from + 7)?,
        heard: wall(row, from + 8)?,
        first: wall(row, from + 9)?,
    })
}

pub(super) fn key(row: &Row<'_>, column: usize) -> rusqlite::Result<ChatKey> {
    checked(row.get(column)?, column)
}

pub(super) fn checked(bytes: [u8; 32], column: usize) -> rusqlite::Result<ChatKey> {
    ChatKey::from_bytes(bytes).ok_or_else(|| broken(column, Type::Blob, "no chat key"))
}

pub(super) fn standing(row: &Row<'_>, column: usize) -> rusqlite::Result<Standing> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| broken(column, Type::Text, "no state of an author"))
}

pub(super) fn wall(row: &Row<'_>, column: usize) -> rusqlite::Result<Wall> {
    Ok(Wall(row.get::<_, i64>(column)?.cast_unsigned()))
}

pub(super) fn broken(column: usize, kind: Type, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, what.into())
}

pub(super) fn rows<T>(
    connection: &Connection,
    sql: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare(&format!("{sql} LIMIT {ROWS_MAX}"))?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(one) => all.push(one),
            Err(error) => tracing::warn!(%error, "left out of what is known of people"),
        }
    }
    Ok(all)
}
