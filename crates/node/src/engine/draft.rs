//! Drafts become records: dated unless exactly PIP-0038's form is asked for.

use nightjar_core::record::{LIFETIME_S_DEFAULT, LIFETIME_S_MAX, LIFETIME_S_MIN, MsgId, Record};
use nightjar_core::time::Wall;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng as _;

use crate::handle::PublishError;
use crate::message::{CODING_RAW, Destination, Draft};

/// The record of a draft that is sent at `now`.
pub(super) fn record(draft: &Draft, now: Wall, chance: &mut ChaCha20Rng) -> Result<Record, PublishError> {
    if draft.plain {
        if draft.lifetime_s.is_some() {
            return Err(PublishError::PlainLifetime);
        }
        let target = match &draft.to {
            // Who knows no grammar and no folding hashes what was typed.
            Destination::Name(name) => name.literal_target(),
            Destination::Target(target) => *target,
        };
        // PIP-0038 takes the MD5 of a big random number: 16 random bytes are the same to everybody.
        let mut id = [0; 16];
        chance.fill_bytes(&mut id);
        return Ok(Record::plain(MsgId(id), target, &draft.body)?);
    }
    let lifetime_s = draft.lifetime_s.unwrap_or(LIFETIME_S_DEFAULT);
    if !(LIFETIME_S_MIN..=LIFETIME_S_MAX).contains(&lifetime_s) {
        return Err(PublishError::Lifetime(lifetime_s));
    }
    let target = match &draft.to {
        Destination::Name(name) => name.name().target(),
        Destination::Target(target) => *target,
    };
    let mut nonce = [0; 8];
    chance.fill_bytes(&mut nonce);
    Ok(Record::dated(target, &draft.body, now.unix_s().saturating_add(lifetime_s), CODING_RAW, nonce)?)
}
