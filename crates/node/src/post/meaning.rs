//! What a target can mean to us, and so which keys are tried on what comes to it. Never opens anything.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use nightjar_core::name::Name;
use nightjar_core::record::Target;
use nightjar_core::time::Wall;
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::seal::channel::ChannelKey;

/// For so long after its expiry a sealed record may still be told by others, and is listened for.
pub const WINDOW_S: u32 = 7 * DAY_S;
/// So far ahead of our clock an expiry may lie.
const AHEAD_S: u32 = 3_660;
const DAY_S: u32 = 86_400;

/// What a target means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// A channel behind a passphrase, by its folded name.
    Channel(String),
    /// The place where `other` writes to `own`.
    Pair {
        /// Our key.
        own: ChatKey,
        /// The key it belongs to.
        other: ChatKey,
    },
    /// A nick or an account of one of our identities.
    Name(Name),
}

/// The days whose targets are listened to.
pub(super) fn days(now: Wall) -> RangeInclusive<u32> {
    let now = now.unix_s();
    now.saturating_sub(WINDOW_S) / DAY_S..=now.saturating_add(AHEAD_S) / DAY_S
}

/// Each target of these days, and what it means. Where two mean the same target the derived one counts: nobody hits it by
/// chance.
pub(super) fn meanings<'a>(
    days: &RangeInclusive<u32>,
    names: impl Iterator<Item = Name>,
    channels: impl Iterator<Item = (&'a String, &'a ChannelKey)>,
) -> BTreeMap<Target, Meant> {
    let mut meanings: BTreeMap<Target, Meant> = names.map(|name| (name.target(), Meant::Name(name))).collect();
    for (name, key) in channels {
        meanings.extend(days.clone().map(|day| (key.target(day), Meant::Channel(name.clone()))));
    }
    meanings
}
