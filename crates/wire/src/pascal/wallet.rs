//! Texts for the user of the wallet at the other end, and from there: PascalCoin's MESSAGE. A bridge, not a way for
//! records: a daemon bans who sends more than 20 a minute. Never says who wrote a text: anybody can seal one.

use std::collections::VecDeque;
use std::fmt;

use nightjar_core::time::Mono;
use nightjar_pasc::ecies;
use nightjar_pasc::key::{PrivateKey, PublicKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::body::{Body, write_str};

/// Time between two texts: six a minute, where a daemon bans for more than 20, all connections of an address together.
pub const WALLET_PAUSE_MS: u64 = 10_000;
/// The longest text that is sent: six of them sealed are a third of the 20,000 bytes a daemon takes in a minute, and
/// one fits into one TCP segment.
pub const WALLET_TEXT_BYTES_MAX: usize = 1000;
/// Texts that wait to be sent.
pub const WALLET_TEXTS_WAITING_MAX: usize = 8;

pub(super) struct Wallet {
    waiting: VecDeque<Vec<u8>>,
    /// When the next may go out.
    next_at: Mono,
    seed: [u8; 32],
    rng: Option<ChaCha20Rng>,
}

impl Wallet {
    pub(super) const fn new(seed: [u8; 32]) -> Self {
        Self { waiting: VecDeque::new(), next_at: Mono(0), seed, rng: None }
    }

    /// Takes a text to send; what is too long, or one too many, is dropped.
    pub(super) fn push(&mut self, text: &[u8]) {
        if text.len() <= WALLET_TEXT_BYTES_MAX && self.waiting.len() < WALLET_TEXTS_WAITING_MAX {
            self.waiting.push_back(text.to_vec());
        }
    }

    /// When the next text may go out.
    pub(super) fn due(&self) -> Option<Mono> {
        (!self.waiting.is_empty()).then_some(self.next_at)
    }

    /// The data of the MESSAGE that may go out now. A key for which nothing can be sealed takes no text.
    pub(super) fn next(&mut self, now: Mono, to: &PublicKey) -> Option<Vec<u8>> {
        if now < self.next_at {
            return None;
        }
        let text = self.waiting.pop_front()?;
        let rng = self.rng.get_or_insert_with(|| ChaCha20Rng::from_seed(self.seed));
        let envelope = ecies::seal(to, &text, rng).ok()?;
        self.next_at = now + WALLET_PAUSE_MS;
        let mut data = Vec::with_capacity(2 + envelope.len());
        write_str(&mut data, &envelope);
        Some(data)
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The seed is a secret, and so are the texts.
        f.debug_struct("Wallet").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// The text in the data of a MESSAGE; `None` if it was not sealed for this key. What follows it is not looked at.
pub(super) fn open(key: &PrivateKey, data: &[u8]) -> Option<Vec<u8>> {
    let envelope = Body(data).str().ok()?;
    ecies::open(key, envelope).ok()
}
