//! What a node does by itself: the targets of a new day, and cards and proofs now and then. Never because of something that came.

use std::collections::BTreeMap;
use std::time::Duration;

use nightjar_core::name::{Name, TypedName};
use nightjar_core::time::Wall;
use nightjar_envelope::delegation::Delegation;
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::map::Kind;

use super::out::Work;
use super::send::{Addressee, Letter, SealWish, SpeakAs};
use super::{Post, WINDOW_S};
use crate::handle::{Handle, Status};
use crate::identity::Identity;

/// In one place a key tells what it is called no more often than this, whatever happens.
const CARDS_EVERY_MS: u64 = 10 * 60_000;
/// And so often in each place where it speaks.
const CARD_AGAIN_MS: u64 = 24 * 3_600_000;
/// Channels in which a key spoke lately, and so tells what it is called.
const PLACES_MAX: usize = 64;
/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// For so long after records were dropped for want of budget, ours get work.
const CROWDED_MS: u64 = 60_000;

/// What was told of our keys, and where.
#[derive(Debug, Default)]
pub(super) struct Cards {
    told: BTreeMap<ChatKey, Places>,
    /// Records that had been dropped when it was last looked, and since when there are more.
    dropped: u64,
    crowded: Option<Wall>,
}

#[derive(Debug, Default)]
struct Places {
    /// Where it was told, and what, and when.
    places: BTreeMap<String, (String, Wall)>,
    /// Where it spoke, and when.
    spoke: BTreeMap<String, Wall>,
}

impl Cards {
    /// A key spoke in a channel.
    pub(super) fn spoke(&mut self, key: ChatKey, channel: &str, now: Wall) {
        let spoke = &mut self.told.entry(key).or_default().spoke;
        if spoke.len() >= PLACES_MAX && !spoke.contains_key(channel) {
            let oldest = spoke.iter().min_by_key(|(_, when)| **when).map(|(place, _)| place.clone());
            oldest.map(|place| spoke.remove(&place));
        }
        spoke.insert(channel.to_owned(), now);
    }

    /// A channel was left: nobody tells there any more what he is called.
    pub(super) fn parted(&mut self, channel: &str) {
        for told in self.told.values_mut() {
            told.spoke.remove(channel);
        }
    }

    /// Where a key is to tell what it says of itself now: in the places that have its names, and where it spoke lately, if it
    /// has not told that there within a day.
    fn due(&mut self, key: ChatKey, names: &[String], says: &str, now: Wall) -> Vec<String> {
        let told = self.told.entry(key).or_default();
        told.spoke.retain(|_, when| now.0 < when.0.saturating_add(CARD_AGAIN_MS));
        told.places.retain(|_, (_, when)| now >= *when && now.0 < when.0.saturating_add(CARD_AGAIN_MS));
        let places = names.iter().chain(told.spoke.keys()).cloned();
        let is_due = |place: &String| match told.places.get(place) {
            Some((said, when)) => said != says && now.0 >= when.0.saturating_add(CARDS_EVERY_MS),
            None => true,
        };
        let due: Vec<String> = places.filter(is_due).collect();
        told.places.extend(due.iter().map(|place| (place.clone(), (says.to_owned(), now))));
        due
    }
}

/// What there is to tell of an identity.
struct Told {
    key: ChatKey,
    ended: bool,
    nick: Option<String>,
    /// The nick and the accounts: places in which others may look for it.
    names: Vec<String>,
    /// What it shows for accounts, and that it shows it no more.
    delegations: Vec<Vec<u8>>,
}

impl Told {
    /// Of one that ended only the ends of its proofs are told, until the proofs would have ended by themselves.
    fn of(identity: &Identity, now: Wall) -> Self {
        let ended = identity.ended();
        let lasting = identity.proofs.iter().filter(|proof| proof.until > now.unix_s());
        let delegations = lasting.filter(|proof| !ended || proof.is_end());
        let (accounts, delegations): (Vec<String>, Vec<Vec<u8>>) =
            delegations.map(|proof| (Name::Account(proof.account).text(), proof.bytes.clone())).unzip();
        let nick = identity.nick.clone();
        let names = nick.iter().cloned().chain(accounts).collect();
        Self { key: identity.key, ended, nick: nick.filter(|_| !ended), names, delegations }
    }

    fn is_empty(&self) -> bool {
        self.nick.is_none() && self.delegations.is_empty()
    }

    /// Changes when there is something new to tell.
    fn says(&self) -> String {
        let claims = self.delegations.iter().filter_map(|bytes| Delegation::parse(bytes).ok());
        claims.fold(self.nick.clone().unwrap_or_default(), |says, claim| format!("{says} {:?}", claim.precedence()))
    }

    fn letters(&self, to: &TypedName) -> Vec<Letter> {
        let seal = if matches!(to.name(), Name::Channel(_)) { SealWish::Best } else { SealWish::None };
        let letter = |kind: Kind, signed: bool| Letter {
            kind,
            content: None,
            // The end of a proof counts whoever tells it.
            speaker: SpeakAs::Once(Some(self.key).filter(|_| signed)),
            seal: seal.clone(),
            ..Letter::text(Addressee::Name(to.clone()), "")
        };
        let card = self.nick.as_ref().map(|nick| Letter { nick: Some(nick.clone()), ..letter(Kind::Card, true) });
        let proofs = self
            .delegations
            .iter()
            .map(|bytes| Letter { delegation: Some(bytes.clone()), ..letter(Kind::Proof, !self.ended) });
        card.into_iter().chain(proofs).collect()
    }
}

impl Post {
    /// Whether dated records were dropped here lately for want of budget.
    pub(super) fn is_crowded(&self, status: &Status) -> bool {
        let now = self.shared.clock.wall();
        let mut cards = self.shared.cards();
        let dropped = status.counters.over_budget;
        if dropped > cards.dropped {
            cards.crowded = Some(now);
        }
        cards.dropped = dropped;
        cards.crowded.is_some_and(|since| now >= since && now.0 < since.0.saturating_add(CROWDED_MS))
    }

    /// What is to be told now, by whom and where.
    fn letters_due(&self) -> Vec<Letter> {
        let now = self.shared.clock.wall();
        let mut letters = Vec::new();
        for identity in self.identities.list() {
            let told = Told::of(&identity, now);
            // What others cannot open says nothing either.
            if told.is_empty() || (!identity.ended() && self.identities.locked()) {
                continue;
            }
            for place in self.shared.cards().due(identity.key, &told.names, &told.says(), now) {
                let Ok(to) = place.parse::<TypedName>() else { continue };
                letters.extend(told.letters(&to));
            }
        }
        letters
    }

    fn turn_the_day(&self) {
        let now = self.shared.clock.wall();
        let mut state = self.shared.lock();
        if state.is_stale(now) {
            state.refresh(now);
            self.shared.targets.send_replace(state.targets());
        }
        drop(state);
        self.shared.assembly().drop_before(now.unix_s().saturating_sub(WINDOW_S));
    }
}

/// Runs until the node ends.
pub(crate) async fn run(handle: Handle) {
    let post = handle.post().clone();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = post.shared.tell.notified() => {}
            () = handle.requests.closed() => return,
        }
        post.turn_the_day();
        post.is_crowded(&handle.status());
        for letter in post.letters_due() {
            let place = letter.to.clone();
            let post = post.clone();
            let prepared = tokio::task::spawn_blocking(move || post.prepare(&letter, None)).await;
            let sent = match prepared {
                Ok(Ok(prepared)) => handle.send_prepared(prepared, Work::WhenCrowded, false).await.map(drop),
                Ok(Err(error)) => Err(error),
                Err(_) => return,
            };
            if let Err(error) = sent {
                // Not where: whose nick that is, is nobody's business in a log.
                tracing::warn!(%error, "what a chat key says of itself was not told");
                tracing::debug!(?place, "it was to be told here");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use nightjar_envelope::key::ChatSecret;
    use zeroize::Zeroizing;

    use super::*;

    const MINUTE: u64 = 60_000;

    fn key() -> ChatKey {
        ChatSecret::from_seed(&Zeroizing::new([1; 32])).public()
    }

    fn names() -> [String; 1] {
        ["raven".to_owned()]
    }

    #[test]
    fn a_key_tells_at_once_then_on_change_and_daily_and_nowhere_twice_in_ten_minutes() {
        let mut cards = Cards::default();
        let at = |minutes: u64| Wall(1_700_000_000_000 + minutes * MINUTE);
        assert_eq!(cards.due(key(), &names(), "raven", at(0)), ["raven"]);
        cards.spoke(key(), "#a", at(1));
        assert_eq!(cards.due(key(), &names(), "raven", at(1)), ["#a"], "where it speaks, at once");
        assert!(cards.due(key(), &names(), "raven", at(30)).is_empty(), "nothing new");
        assert_eq!(cards.due(key(), &names(), "raven and a proof", at(31)), ["raven", "#a"], "on change");
        assert!(cards.due(key(), &names(), "raven and two", at(40)).is_empty(), "within ten minutes");
        assert_eq!(cards.due(key(), &names(), "raven and two", at(41)), ["raven", "#a"]);
        cards.spoke(key(), "#a", at(24 * 60));
        assert!(cards.due(key(), &names(), "raven and two", at(24 * 60 + 40)).is_empty());
        assert_eq!(cards.due(key(), &names(), "raven and two", at(24 * 60 + 41)), ["raven", "#a"], "daily");
        assert_eq!(cards.due(key(), &names(), "raven and two", at(48 * 60 + 50)), ["raven"], "silent in #a");
    }

    #[test]
    fn in_a_channel_that_was_left_nothing_is_told() {
        let mut cards = Cards::default();
        let now = Wall(1_700_000_000_000);
        cards.spoke(key(), "#a", now);
        cards.spoke(key(), "#b", now);
        cards.parted("#a");
        assert_eq!(cards.due(key(), &[], "raven", now), ["#b"]);
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nobody_for_long() {
        let mut cards = Cards::default();
        assert_eq!(cards.due(key(), &names(), "raven", Wall(1_700_000_000_000)), ["raven"]);
        assert_eq!(cards.due(key(), &names(), "raven", Wall(1_600_000_000_000)), ["raven"]);
    }

    #[test]
    fn places_are_bounded_and_the_one_spoken_in_longest_ago_goes() {
        let mut cards = Cards::default();
        for number in 0..=PLACES_MAX as u64 {
            cards.spoke(key(), &format!("#{number}"), Wall(1_700_000_000_000 + number));
        }
        let due = cards.due(key(), &names(), "raven", Wall(1_700_000_001_000));
        assert_eq!(due.len(), PLACES_MAX + 1);
        assert!(!due.contains(&"#0".to_owned()));
    }
}
