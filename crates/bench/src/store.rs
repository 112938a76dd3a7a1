//! The log: messages a second with and without their words, searches in a full one, parts of a long conversation, and how long it takes
//! to open.

use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use nightjar_core::record::{Record, Target};
use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_node::chain::standing::Standing;
use nightjar_node::message::{Content, Erase, Filter, History, NewMessage, Place, Reading, Said, Search};
use nightjar_node::store::{Store, StoreLimits};

use crate::measure::{Failed, Span, percentile, print};

/// What the writer is handed at a time, as by a link that was read.
const BATCH: u64 = 1_000;
/// Words of which texts are made; a few of them are in most texts, as in a language.
const WORDS: u64 = 20_000;
/// Words of one text.
const TEXT_WORDS: u64 = 12;
/// Conversations among which the messages are.
const CONVERSATIONS: u64 = 200;
/// One part in so many is added to see how fast a log is that has so many messages.
const MORE_SHARE: u64 = 10;
/// The one conversation of a log that has only one.
const ONE: &str = "#one";
/// When the first message comes.
const BEGIN_MS: u64 = 1_700_000_000_000;
/// When records expire.
const EXPIRY: u32 = 1_800_000_000;
/// Searches of each kind.
const SEARCHES: u64 = 200;
/// Messages of a conversation that are read at a time, as by a front end that shows its end.
const SHOWN: usize = 50;

pub(crate) async fn run(messages: u64) -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("nightjar.db");
    fill(&path, unlimited(), 0..messages, "store_data", &data).await?;
    // Behind as many that were erased, each of which is remembered twice and has an event of its own.
    let store = Store::open(&path, unlimited())?;
    store.erase(Erase::All, Wall(u64::from(EXPIRY) * 1000)).await?;
    store.close().await;
    fill(&path, unlimited(), 2 * messages..3 * messages, "store_data_behind_erased", &data).await?;
    std::fs::remove_file(&path)?;
    fill_one(&path, messages).await?;
    history(&path, messages).await?;
    std::fs::remove_file(&path)?;
    fill(&path, unlimited(), 0..messages, "store_text", &text).await?;
    let began = Instant::now();
    let store = Store::open(&path, unlimited())?;
    store.messages(0, 1, &Filter::default()).await?;
    print("store_open", &[("messages", messages as f64), ("ms", began.elapsed().as_secs_f64() * 1e3)]);
    for (kind, name) in [(0, "rare"), (1, "usual"), (2, "frequent"), (3, "two_words"), (4, "beginning")] {
        let mut times = Vec::new();
        for number in 0..SEARCHES {
            let words = words_of(kind, number);
            let began = Instant::now();
            store.search(Search { words, limit: 50, ..Search::default() }).await?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let figures = [("median_ms", percentile(&times, 50)), ("p95_ms", percentile(&times, 95))];
        print(&format!("store_search_{name}"), &figures);
    }
    let began = Instant::now();
    let conversations = store.conversations().await?.len();
    let ms = began.elapsed().as_secs_f64() * 1e3;
    print("store_conversations", &[("conversations", conversations as f64), ("ms", ms)]);
    store.close().await;

    // A log of one size, once with room for more, once without: then each message that comes drops another.
    let more = messages / MORE_SHARE;
    fill(&path, unlimited(), messages..messages + more, "store_text_with_room", &text).await?;
    let full = StoreLimits { messages_max: messages + more, ..unlimited() };
    fill(&path, full, messages + more..messages + 2 * more, "store_text_full", &text).await?;

    let store = Store::open(&path, unlimited())?;
    let span = Span::begin()?;
    let erased = store.erase(Erase::All, Wall(1_800_000_000_000)).await?;
    let (seconds, cpu_us) = (span.seconds(), span.cpu_us()?);
    let each = [("erased", erased as f64), ("seconds", seconds), ("cpu_us_each", cpu_us as f64 / erased as f64)];
    print("store_erase", &each);
    store.close().await;
    Ok(())
}

/// A log with one conversation.
async fn fill_one(path: &Path, messages: u64) -> Result<(), Failed> {
    let in_one = |message: NewMessage| {
        let reading = message.reading.map(|reading| Reading { conversation: ONE.to_owned(), ..reading });
        NewMessage { reading, ..message }
    };
    let store = Store::open(path, unlimited())?;
    let mut stored = store.stored();
    for first in (0..messages).step_by(usize::try_from(BATCH)?) {
        let batch = (first..messages.min(first + BATCH)).map(|number| message(number, data(number)).map(in_one));
        store.append(batch.collect::<Result<_, Failed>>()?);
        stored.wait_for(|seq| first < seq + 16 * BATCH).await?;
    }
    stored.wait_for(|seq| *seq >= messages).await?;
    store.close().await;
    Ok(())
}

/// Reads parts of it: the end, and what stands before places all over.
async fn history(path: &Path, messages: u64) -> Result<(), Failed> {
    let store = Store::open(path, unlimited())?;
    let (mut end, mut anywhere) = (Vec::new(), Vec::new());
    for number in 0..SEARCHES {
        let place = Place { shown: Wall(BEGIN_MS + mixed(number) % messages), seq: 0 };
        for (times, before) in [(&mut end, None), (&mut anywhere, Some(place))] {
            let conversations = vec![ONE.to_owned()];
            let began = Instant::now();
            store.history(History { conversations, before, after: None, newest: true, limit: SHOWN }).await?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    end.sort_by(f64::total_cmp);
    anywhere.sort_by(f64::total_cmp);
    print(
        "store_history",
        &[
            ("messages", messages as f64),
            ("newest_median_ms", percentile(&end, 50)),
            ("newest_p95_ms", percentile(&end, 95)),
            ("anywhere_median_ms", percentile(&anywhere, 50)),
            ("anywhere_p95_ms", percentile(&anywhere, 95)),
        ],
    );
    store.close().await;
    Ok(())
}

async fn fill(
    path: &Path,
    limits: StoreLimits,
    numbers: Range<u64>,
    name: &str,
    content: &dyn Fn(u64) -> Vec<u8>,
) -> Result<(), Failed> {
    let store = Store::open(path, limits)?;
    let span = Span::begin()?;
    let mut stored = store.stored();
    let messages = numbers.end - numbers.start;
    for first in numbers.clone().step_by(usize::try_from(BATCH)?) {
        let batch = (first..numbers.end.min(first + BATCH)).map(|number| message(number, content(number)));
        store.append(batch.collect::<Result<_, Failed>>()?);
        // The queue is bounded; what does not fit would be lost.
        stored.wait_for(|seq| first < seq + 16 * BATCH).await?;
    }
    stored.wait_for(|seq| *seq >= numbers.end).await?;
    let (seconds, cpu_us) = (span.seconds(), span.cpu_us()?);
    store.close().await;
    let bytes = std::fs::metadata(path)?.len();
    print(
        name,
        &[
            ("messages", messages as f64),
            ("per_s", messages as f64 / seconds),
            ("cpu_us_each", cpu_us as f64 / messages as f64),
            ("file_bytes_each", bytes as f64 / messages as f64),
        ],
    );
    Ok(())
}

fn unlimited() -> StoreLimits {
    StoreLimits { messages_max: u64::MAX, bytes_max: u64::MAX }
}

fn message(number: u64, body: Vec<u8>) -> Result<NewMessage, Failed> {
    let record = Record::dated(Target([7; 16]), &body, EXPIRY, 0, number.to_le_bytes())?;
    let mut id = [0; 16];
    id.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, of)| *byte = of);
    let reading = Reading {
        conversation: format!("#{}", number % CONVERSATIONS),
        id: Some(MessageId(id)),
        author: None,
        own_key: None,
        said: Said::Raw,
        standing: Standing::Anonymous,
        request: false,
        mention: false,
    };
    let received = Wall(BEGIN_MS + number);
    let content = Content::Record(record);
    Ok(NewMessage { received, own: false, late: false, name: None, content, reading: Some(reading) })
}

/// As long as a text, and none.
fn data(number: u64) -> Vec<u8> {
    let mut bytes = text(number);
    bytes.insert(0, 0xff);
    bytes
}

fn text(number: u64) -> Vec<u8> {
    let words = (0..TEXT_WORDS).map(|at| word(mixed(number * TEXT_WORDS + at)));
    words.collect::<Vec<_>>().join(" ").into_bytes()
}

/// A word by a number at random: those of low rank are frequent.
fn word(chance: u64) -> String {
    let share = (chance % 1_000_003) as f64 / 1_000_003.0;
    // By Zipf's law nearly: as many words of each tenfold rank.
    let rank = (WORDS as f64).powf(share) as u64;
    format!("word{rank}")
}

fn words_of(kind: u64, number: u64) -> String {
    match kind {
        0 => format!("word{}", WORDS - 1 - number),
        1 => format!("word{}", 300 + number),
        2 => format!("word{}", 1 + number % 5),
        3 => format!("word{} word{}", 2 + number % 5, 300 + number),
        _ => format!("word{}*", 10 + number % 90),
    }
}

/// Numbers without a pattern, the same in each run (SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
