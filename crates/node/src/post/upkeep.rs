//! What a node does by itself: the targets of a new day, and cards and proofs now and then. Never because of something that came.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nightjar_core::name::{Name, TypedName};
use nightjar_core::time::Wall;
use nightjar_envelope::delegation::{Delegation, LIFE_S_MAX};
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::map::{HandOver, Kind};

use super::out::Work;
use super::send::{Addressee, Letter, SealWish, SendError, SpeakAs};
use super::{Post, WINDOW_S};
use crate::clock::{STAYS_MS, Steady};
use crate::handle::{Handle, PublishError, Status};
use crate::identity::{Identity, Proof};

/// In one place a key tells what it is called no more often than this, whatever happens; so long it waits after it could not.
const CARDS_EVERY_MS: u64 = 10 * 60_000;
/// And so often in each place where it speaks.
const CARD_AGAIN_MS: u64 = 24 * 3_600_000;
/// For so long it is told that a key goes on as another: as long as the longest proof lasts.
const HAND_OVER_MS: u64 = LIFE_S_MAX as u64 * 1_000;
/// Channels in which a key spoke lately, and so tells what it is called.
const PLACES_MAX: usize = 64;
/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What is listened to changes no more often than this because of strangers: each change is a comparison of tens of thousands of
/// targets, and a new key costs a stranger nothing.
const STRANGERS_EVERY: Duration = Duration::from_secs(1);
/// How often messages are dropped for their age.
const AGED_EVERY_MS: u64 = 3_600_000;
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
    /// Where it was told, or should have been.
    tried: BTreeMap<CardPlace, Tried>,
    /// Where it spoke, and when.
    spoke: BTreeMap<CardPlace, Wall>,
}

/// Where a key tells what it is called, and who hears it there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CardPlace {
    name: String,
    /// Whether it is under the channel's seal.
    sealed: bool,
}

#[derive(Debug)]
struct Tried {
    when: Wall,
    /// All that was told there, once it went out.
    said: Option<String>,
    /// The nick in it.
    nick: Option<String>,
    /// What of it did not wait.
    urgent: BTreeSet<Vec<u8>>,
}

/// What is due in a place.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// All that the key says of itself.
    All,
    /// What does not wait: that these proofs have ended, that the key goes on as another.
    Urgent(BTreeSet<Vec<u8>>),
}

impl CardPlace {
    /// In the open, where whoever looks for a name listens, or a channel.
    pub(super) fn open(name: &str) -> Self {
        Self { name: name.to_owned(), sealed: false }
    }

    /// A channel, under its seal.
    pub(super) fn sealed(channel: &str) -> Self {
        Self { name: channel.to_owned(), sealed: true }
    }
}

impl Cards {
    /// A key spoke in a channel.
    pub(super) fn spoke(&mut self, key: ChatKey, place: CardPlace, now: Wall) {
        let spoke = &mut self.told.entry(key).or_default().spoke;
        if spoke.len() >= PLACES_MAX && !spoke.contains_key(&place) {
            let oldest = spoke.iter().min_by_key(|(_, when)| **when).map(|(place, _)| place.clone());
            oldest.map(|place| spoke.remove(&place));
        }
        spoke.insert(place, now);
    }

    /// A channel was left: nobody tells there any more what he is called.
    pub(super) fn parted(&mut self, channel: &str) {
        for told in self.told.values_mut() {
            told.spoke.retain(|place, _| place.name != channel);
        }
    }

    /// Where a key is to tell what it says of itself now, in the places that have its names, and where it spoke lately: all of it
    /// if that went out there neither within a day nor with these words, at once what does not wait. What is due counts as told
    /// when [`Cards::told`] says so.
    fn due(&mut self, key: ChatKey, says: &Told, now: Wall) -> Vec<(CardPlace, Due)> {
        let told = self.told.entry(key).or_default();
        told.spoke.retain(|_, when| now.0 < when.0.saturating_add(CARD_AGAIN_MS));
        told.tried.retain(|_, tried| tried.is_of_today(now));
        let (words, urgent) = (says.words(), says.urgent());
        let mut due = Vec::new();
        let names = says.names.iter().map(|name| CardPlace::open(name));
        for place in names.chain(told.spoke.keys().cloned()) {
            let what = match told.tried.get(&place) {
                Some(tried) if tried.said.as_ref() == Some(&words) => continue,
                Some(tried) if now.0 < tried.when.0.saturating_add(CARDS_EVERY_MS) => {
                    let new: BTreeSet<Vec<u8>> = urgent.difference(&tried.urgent).cloned().collect();
                    if new.is_empty() {
                        continue;
                    }
                    Due::Urgent(new)
                }
                _ => Due::All,
            };
            told.tried.insert(
                place.clone(),
                Tried { when: now, said: None, nick: says.nick.clone(), urgent: urgent.clone() },
            );
            due.push((place, what));
        }
        due
    }

    /// All that a key says of itself went out in a place.
    fn told(&mut self, key: ChatKey, place: &CardPlace, words: String) {
        if let Some(tried) = self.told.get_mut(&key).and_then(|told| told.tried.get_mut(place)) {
            tried.said = Some(words);
        }
    }

    /// Whether a key has told in a place within a day that it is called so.
    pub(super) fn has_told(&self, key: &ChatKey, nick: &str, place: &CardPlace, now: Wall) -> bool {
        let tried = self.told.get(key).and_then(|told| told.tried.get(place));
        let is_told = |tried: &Tried| tried.said.is_some() && tried.nick.as_deref() == Some(nick);
        tried.is_some_and(|tried| is_told(tried) && tried.is_of_today(now))
    }
}

impl Tried {
    /// A clock that was set back silences nobody for long.
    fn is_of_today(&self, now: Wall) -> bool {
        now >= self.when && now.0 < self.when.0.saturating_add(CARD_AGAIN_MS)
    }
}

/// Letters for one place.
struct Telling {
    key: ChatKey,
    place: CardPlace,
    letters: Vec<Letter>,
    /// The words that have gone out with them, if they are all that the key says.
    words: Option<String>,
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
    /// As which key it goes on, and since when.
    hand_over: Option<(HandOver, Wall)>,
}

impl Told {
    /// Of one that ended only this is told: the ends of its proofs, until the proofs would have ended by themselves, and for as long
    /// as which key it goes on.
    fn of(identity: &Identity, hand_over: Option<HandOver>, now: Wall) -> Self {
        let ended = identity.ended();
        let since = identity.replaced.map(|(since, _)| since);
        let hand_over = hand_over.zip(since).filter(|(_, since)| now.0 < since.0.saturating_add(HAND_OVER_MS));
        let lasting = identity.proofs.iter().filter(|proof| proof.until > now.unix_s());
        let is_told = |proof: &&Proof| !ended || proof.is_end();
        let delegations = lasting.clone().filter(is_told).map(|proof| proof.bytes.clone()).collect();
        // Others look for the key at its accounts until the proofs are over.
        let accounts = lasting.filter(|proof| is_told(proof) || hand_over.is_some());
        let accounts = accounts.map(|proof| Name::Account(proof.account).text());
        let nick = identity.nick.clone();
        let names = nick.iter().cloned().chain(accounts).collect();
        Self { key: identity.key, ended, nick: nick.filter(|_| !ended), names, delegations, hand_over }
    }

    fn is_empty(&self) -> bool {
        self.nick.is_none() && self.delegations.is_empty() && self.hand_over.is_none()
    }

    /// Those of its delegations that end others, and the key that goes on: others take for somebody what it no longer is.
    fn urgent(&self) -> BTreeSet<Vec<u8>> {
        let ends = self.delegations.iter().filter(|bytes| Delegation::parse(bytes).is_ok_and(|claim| claim.is_end()));
        ends.cloned().chain(self.hand_over.map(|(to, _)| to.new_key.to_vec())).collect()
    }

    /// Changes when there is something new to tell.
    fn words(&self) -> String {
        let claims = self.delegations.iter().filter_map(|bytes| Delegation::parse(bytes).ok());
        let own = format!("{:?} {:?}", self.nick, self.hand_over.map(|(to, _)| to.new_key));
        claims.fold(own, |words, claim| format!("{words} {:?}", claim.precedence()))
    }

    fn letters(&self, to: &TypedName, sealed: bool, what: &Due) -> Vec<Letter> {
        let seal = if sealed { SealWish::Channel } else { SealWish::None };
        let letter = |kind: Kind, signed: bool| Letter {
            kind,
            content: None,
            // The end of a proof counts whoever tells it.
            speaker: SpeakAs::Once(Some(self.key).filter(|_| signed)),
            seal: seal.clone(),
            ..Letter::text(Addressee::Name(to.clone()), "")
        };
        let is_due = |bytes: &[u8]| match what {
            Due::All => true,
            Due::Urgent(urgent) => urgent.contains(bytes),
        };
        let nick = self.nick.as_ref().filter(|_| *what == Due::All);
        let card = nick.map(|nick| Letter { nick: Some(nick.clone()), ..letter(Kind::Card, true) });
        let proofs = self
            .delegations
            .iter()
            .filter(|bytes| is_due(bytes))
            .map(|bytes| Letter { delegation: Some(bytes.clone()), ..letter(Kind::Proof, !self.ended) });
        // It counts in clear alone, where whoever hears it can show it to others.
        let hand_over = self.hand_over.filter(|(to, _)| !sealed && is_due(&to.new_key));
        let hand_over = hand_over.map(|it| Letter { hand_over: Some(it), ..letter(Kind::HandOver, true) });
        card.into_iter().chain(hand_over).chain(proofs).collect()
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
    fn due(&self) -> Vec<Telling> {
        let now = self.shared.clock.wall();
        let mut tellings = Vec::new();
        for identity in self.identities.list() {
            let hand_over = self.identities.hand_over_of(&identity, self.shared.network);
            let told = Told::of(&identity, hand_over, now);
            // What others cannot open says nothing either.
            if told.is_empty() || (!identity.ended() && self.identities.locked()) {
                continue;
            }
            for (place, what) in self.shared.cards().due(identity.key, &told, now) {
                let Ok(to) = place.name.parse::<TypedName>() else { continue };
                let letters = told.letters(&to, place.sealed, &what);
                let words = (what == Due::All).then(|| told.words());
                tellings.push(Telling { key: identity.key, place, letters, words });
            }
        }
        tellings
    }

    /// What a new day changes: the targets, and which parts can still become whole. Old parts are dropped by a clock that is steady
    /// alone.
    pub(super) fn turn_the_day(&self, is_steady: bool) {
        let now = self.shared.clock.wall();
        let mut state = self.shared.lock();
        if state.is_stale(now) {
            state.refresh(now);
            self.shared.hand_over(&mut state);
        }
        drop(state);
        if is_steady {
            self.shared.assembly().drop_before(now.unix_s().saturating_sub(WINDOW_S));
        }
    }
}

/// Listens to what strangers gave cause for, now and then, until the node ends.
pub(crate) async fn follow_strangers(handle: Handle) {
    let shared = handle.post().shared.clone();
    let changed = async {
        loop {
            shared.pairs_changed.notified().await;
            shared.hand_over(&mut shared.lock());
            tokio::time::sleep(STRANGERS_EVERY).await;
        }
    };
    tokio::select! {
        () = changed => {}
        () = handle.requests.closed() => {}
    }
}

/// Runs until the node ends. The clock is looked at from the call on. So many days the log keeps messages.
pub(crate) fn run(handle: Handle, log_days: Option<u32>) -> impl Future<Output = ()> {
    let steady = Steady::new(handle.post().shared.clock.now());
    keep_up(handle, steady, log_days)
}

async fn keep_up(handle: Handle, mut steady: Steady, log_days: Option<u32>) {
    let post = handle.post().clone();
    let mut ages_at = post.shared.clock.now().mono + STAYS_MS;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = post.shared.tell.notified() => {}
            () = handle.requests.closed() => return,
        }
        let is_steady = steady.look(post.shared.clock.now());
        post.turn_the_day(is_steady);
        post.is_crowded(&handle.status());
        if !is_steady {
            continue;
        }
        let now = post.shared.clock.now();
        if let Some(days) = log_days
            && ages_at <= now.mono
        {
            ages_at = now.mono + AGED_EVERY_MS;
            let before = Wall(now.wall.0.saturating_sub(u64::from(days) * 86_400_000));
            if let Err(error) = handle.store.drop_before(before).await {
                tracing::warn!(%error, "messages that are too old are dropped later");
            }
        }
        for Telling { key, place, letters, words } in post.due() {
            let mut went_out = true;
            for letter in letters {
                match tell(&handle, letter).await {
                    Ok(peers) => went_out &= peers > 0,
                    Err(error) => {
                        went_out = false;
                        // Not where: whose nick that is, is nobody's business in a log.
                        tracing::warn!(%error, "what a chat key says of itself was not told; it is tried again in ten minutes");
                        tracing::debug!(?place, "it was to be told here");
                    }
                }
            }
            if let Some(words) = words.filter(|_| went_out) {
                post.shared.cards().told(key, &place, words);
            }
        }
    }
}

/// To how many peers it went.
async fn tell(handle: &Handle, letter: Letter) -> Result<usize, SendError> {
    let post = handle.post().clone();
    let prepared = tokio::task::spawn_blocking(move || post.prepare(&letter, None)).await;
    let prepared = prepared.map_err(|_| SendError::Publish(PublishError::Stopping))??;
    handle.tell(prepared, Work::WhenCrowded).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

    use nightjar_core::chain::Network;
    use nightjar_envelope::delegation::{Checked, Claim, Scope};
    use nightjar_envelope::key::ChatSecret;
    use nightjar_pasc::key::{Curve, PrivateKey};
    use nightjar_pasc::signature::sign;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;
    use zeroize::Zeroizing;

    use super::*;

    const MINUTE: u64 = 60_000;

    fn key() -> ChatKey {
        ChatSecret::from_seed(&Zeroizing::new([1; 32])).public()
    }

    fn at(minutes: u64) -> Wall {
        Wall(1_700_000_000_000 + minutes * MINUTE)
    }

    /// Raven, or whoever else, with these delegations.
    fn says(nick: &str, delegations: &[&Checked]) -> Told {
        Told {
            key: key(),
            ended: false,
            nick: Some(nick.to_owned()),
            names: vec!["raven".to_owned()],
            delegations: delegations.iter().map(|checked| checked.bytes.clone()).collect(),
            hand_over: None,
        }
    }

    fn delegation(account: u32, issued: u32, scope: Scope) -> Checked {
        let owner = PrivateKey::random(Curve::Secp256k1, &mut ChaCha20Rng::from_seed([1; 32])).unwrap();
        let mut claim = Claim {
            network: Network::Main,
            account,
            scope,
            issued,
            until: issued + 90 * 86_400,
            name: String::new(),
            key: owner.public_key(),
            chat_key: key(),
        };
        claim.settle();
        claim.signed(&sign(&owner, &claim.digest(), &mut ChaCha20Rng::from_seed([2; 32]))).unwrap()
    }

    /// What is due, and goes out.
    fn tells(cards: &mut Cards, says: &Told, now: Wall) -> Vec<String> {
        let due = cards.due(key(), says, now);
        for (place, what) in &due {
            if *what == Due::All {
                cards.told(key(), place, says.words());
            }
        }
        due.into_iter().map(|(place, _)| place.name).collect()
    }

    #[test]
    fn a_key_tells_at_once_then_on_change_and_daily_and_nowhere_twice_in_ten_minutes() {
        let mut cards = Cards::default();
        let (raven, proven) = (says("raven", &[]), says("raven", &[&delegation(1, 1_795_000_000, Scope::SPEAK)]));
        let crow = says("crow", &[]);
        assert_eq!(tells(&mut cards, &raven, at(0)), ["raven"]);
        cards.spoke(key(), CardPlace::open("#a"), at(1));
        assert_eq!(tells(&mut cards, &raven, at(1)), ["#a"], "where it speaks, at once");
        assert!(tells(&mut cards, &raven, at(30)).is_empty(), "nothing new");
        assert_eq!(tells(&mut cards, &proven, at(31)), ["raven", "#a"], "on change");
        assert!(tells(&mut cards, &crow, at(40)).is_empty(), "within ten minutes");
        assert_eq!(tells(&mut cards, &crow, at(41)), ["raven", "#a"]);
        cards.spoke(key(), CardPlace::open("#a"), at(24 * 60));
        assert!(tells(&mut cards, &crow, at(24 * 60 + 40)).is_empty());
        assert_eq!(tells(&mut cards, &crow, at(24 * 60 + 41)), ["raven", "#a"], "daily");
        assert_eq!(tells(&mut cards, &crow, at(48 * 60 + 50)), ["raven"], "silent in #a");
    }

    #[test]
    fn what_did_not_go_out_is_told_again_after_the_usual_pause_and_not_before() {
        let mut cards = Cards::default();
        let raven = says("raven", &[]);
        let place = CardPlace::open("raven");
        for minutes in [0, 10, 20] {
            assert_eq!(cards.due(key(), &raven, at(minutes)), [(place.clone(), Due::All)]);
            assert!(cards.due(key(), &raven, at(minutes + 9)).is_empty());
            assert!(!cards.has_told(&key(), "raven", &place, at(minutes + 9)));
        }
        assert_eq!(tells(&mut cards, &raven, at(30)), ["raven"]);
        let has_told = |nick: &str, minutes| cards.has_told(&key(), nick, &place, at(minutes));
        assert!(has_told("raven", 31) && !has_told("raven", 30 + 24 * 60));
        assert!(!has_told("crow", 31), "until its card may go out, each message says the new nick");
        assert!(tells(&mut cards, &raven, at(60)).is_empty());
    }

    #[test]
    fn the_end_of_a_proof_is_told_at_once_and_once() {
        let mut cards = Cards::default();
        let speaks = delegation(1, 1_795_000_000, Scope::SPEAK);
        let ends = [1, 2].map(|account| delegation(account, 1_795_500_000, Scope::NOTHING));
        assert_eq!(tells(&mut cards, &says("raven", &[&speaks]), at(0)), ["raven"]);
        let [one, other] = &ends;
        let due = |cards: &mut Cards, delegations: &[&Checked], minutes| {
            let due = cards.due(key(), &says("raven", delegations), at(minutes));
            due.into_iter().map(|(_, what)| what).collect::<Vec<_>>()
        };
        let alone = |end: &Checked| Due::Urgent(BTreeSet::from([end.bytes.clone()]));
        assert_eq!(due(&mut cards, &[one], 1), [alone(one)]);
        assert!(due(&mut cards, &[one], 2).is_empty());
        assert_eq!(due(&mut cards, &[one, other], 3), [alone(other)]);
        assert!(due(&mut cards, &[one, other], 12).is_empty());
        assert_eq!(due(&mut cards, &[one, other], 13), [Due::All]);
        let letters = |what: &Due| says("raven", &[&speaks, one]).letters(&"raven".parse().unwrap(), false, what);
        let [end] = &letters(&alone(one))[..] else { panic!("the end alone") };
        assert_eq!((end.kind, &end.delegation), (Kind::Proof, &Some(one.bytes.clone())));
        assert_eq!(letters(&Due::All).len(), 3);
    }

    #[test]
    fn a_hand_over_is_told_at_once_and_daily_for_ninety_days_in_clear_alone() {
        let heir = ChatSecret::from_seed(&Zeroizing::new([2; 32]));
        let proof = |bytes: &Checked| Proof {
            account: bytes.claim.account,
            until: bytes.claim.until,
            bytes: bytes.bytes.clone(),
        };
        let identity = Identity {
            key: key(),
            nick: Some("raven".to_owned()),
            made: at(0),
            default: false,
            revoked: None,
            replaced: Some((at(1), heir.public())),
            used_up_to_ms: 0,
            proofs: vec![proof(&delegation(1, 1_700_000_000, Scope::SPEAK))],
        };
        let agreed = HandOver::agreed(Network::Main, &key(), &heir);
        let says = |now| Told::of(&identity, Some(agreed), now);
        let places = ["raven".to_owned(), Name::Account(1).text()];
        let mut cards = Cards::default();
        cards.spoke(key(), CardPlace::sealed("#a"), at(0));
        // Its card went out a moment before.
        let before = Told::of(&Identity { replaced: None, ..identity.clone() }, None, at(0));
        tells(&mut cards, &before, at(0));
        let due = cards.due(key(), &says(at(1)), at(1));
        assert_eq!(
            due.iter().map(|(place, _)| place.name.as_str()).collect::<Vec<_>>(),
            [&places[0], &places[1], "#a"]
        );
        let letters = |what: &Due, sealed| says(at(1)).letters(&"raven".parse().unwrap(), sealed, what);
        for what in [&due[0].1, &Due::All] {
            let [letter] = &letters(what, false)[..] else { panic!("that alone") };
            assert_eq!((letter.kind, letter.hand_over), (Kind::HandOver, Some((agreed, at(1)))));
            assert_eq!(letter.speaker, SpeakAs::Once(Some(key())));
            assert!(letters(what, true).is_empty(), "under a seal it does not count");
        }
        assert!(cards.due(key(), &says(at(2)), at(2)).is_empty());
        assert_eq!(tells(&mut cards, &says(at(11)), at(11)).len(), 3);
        assert!(tells(&mut cards, &says(at(24 * 60)), at(24 * 60)).is_empty());
        let last = at(1 + u64::from(LIFE_S_MAX) / 60 - 1);
        assert_eq!(tells(&mut cards, &says(last), last).first(), Some(&places[0]));
        assert!(says(at(1 + u64::from(LIFE_S_MAX) / 60)).is_empty());
        assert!(Told::of(&identity, None, at(1)).is_empty(), "the keys are locked, or the heir is elsewhere");
    }

    #[test]
    fn a_card_is_under_the_seal_under_which_its_key_spoke() {
        let mut cards = Cards::default();
        for place in [CardPlace::open("#a"), CardPlace::sealed("#a")] {
            cards.spoke(key(), place.clone(), at(0));
            assert_eq!(cards.due(key(), &says("raven", &[]), at(0)).last(), Some(&(place, Due::All)));
        }
        let seal = |sealed| says("raven", &[]).letters(&"#a".parse().unwrap(), sealed, &Due::All).remove(0).seal;
        assert_eq!([seal(false), seal(true)], [SealWish::None, SealWish::Channel]);
    }

    #[test]
    fn in_a_channel_that_was_left_nothing_is_told() {
        let mut cards = Cards::default();
        for place in [CardPlace::sealed("#a"), CardPlace::open("#a"), CardPlace::open("#b")] {
            cards.spoke(key(), place, at(0));
        }
        cards.parted("#a");
        assert_eq!(tells(&mut cards, &says("raven", &[]), at(0)), ["raven", "#b"]);
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nobody_for_long() {
        let mut cards = Cards::default();
        assert_eq!(tells(&mut cards, &says("raven", &[]), at(0)), ["raven"]);
        assert_eq!(tells(&mut cards, &says("raven", &[]), Wall(1_600_000_000_000)), ["raven"]);
    }

    #[test]
    fn places_are_bounded_and_the_one_spoken_in_longest_ago_goes() {
        let mut cards = Cards::default();
        for number in 0..=PLACES_MAX as u64 {
            cards.spoke(key(), CardPlace::open(&format!("#{number}")), Wall(1_700_000_000_000 + number));
        }
        let due = tells(&mut cards, &says("raven", &[]), at(1));
        assert_eq!(due.len(), PLACES_MAX + 1);
        assert!(!due.contains(&"#0".to_owned()));
    }
}
