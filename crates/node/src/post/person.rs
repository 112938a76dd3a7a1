//! Whom a nick or an account means to the user. A name that was written to under seal, or whose request was accepted, is pinned:
//! it means that key from then on, whatever others call themselves. Where that may not be what the user wants, nothing is sent.

use std::collections::BTreeSet;

use nightjar_core::name::Name;
use nightjar_core::time::Wall;
use nightjar_envelope::key::ChatKey;

use super::people::rank;
use super::send::{Addressee, SendError};
use super::state::State;
use crate::chain::standing::Standing;
use crate::message::Speaker;
use crate::store::{Change, Pin};

/// Of many who go by one name so many are named.
const NAMED_MAX: usize = 4;

/// The person behind a name.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) key: ChatKey,
    /// Whether the name was pinned: then nothing for it goes out in the open.
    pub(super) pinned: bool,
    /// What the user should know.
    pub(super) note: Option<String>,
}

impl Person {
    const fn found(key: ChatKey) -> Self {
        Self { key, pinned: false, note: None }
    }
}

impl State {
    /// The person behind a nick or an account.
    pub(super) fn person(&self, name: &Name) -> Result<Option<Person>, SendError> {
        match (self.pins.get(&name.text()), name) {
            (_, Name::Channel(_)) => Ok(None),
            (Some(key), _) if self.own_key(key).is_some() => {
                Err(SendError::MeansOwn { name: name.text(), key: short(key) })
            }
            (Some(key), Name::Nick(nick)) => self.pinned(name, *key, self.changed_of_nick(nick, key)).map(Some),
            (Some(key), Name::Account(account)) => {
                self.pinned(name, *key, self.changed_of_account(*account, key)?).map(Some)
            }
            (None, Name::Account(account)) => Ok(self.proven(*account).map(|speaker| Person::found(speaker.key))),
            (None, Name::Nick(nick)) => self.one_called(nick),
        }
    }

    /// A pinned key is written to, and what changed since is told. One who is not to be heard any more is hardly meant by a name
    /// that now could mean others as well.
    fn pinned(&self, name: &Name, key: ChatKey, changed: Option<String>) -> Result<Person, SendError> {
        let name = name.text();
        let note = match changed {
            Some(changed) if self.known.is_declined(&key) => {
                return Err(SendError::MeansDeclined { name, key: short(&key), changed });
            }
            changed => changed.map(|changed| format!("{name} is {} here, as before; {changed}", short(&key))),
        };
        Ok(Person { key, pinned: true, note })
    }

    /// What is no more as it was when the nick was pinned to this key.
    fn changed_of_nick(&self, nick: &str, key: &ChatKey) -> Option<String> {
        let now = match self.known.speaker(key).map(|speaker| speaker.nick.as_deref()) {
            Some(Some(now)) if now == nick => None,
            Some(Some(now)) => Some(format!("that key calls itself {now} now")),
            Some(None) => Some("that key tells no nick now".to_owned()),
            None => Some("nothing else is known of that key now".to_owned()),
        };
        let others = self.others_called(nick);
        let others: Vec<String> = others
            .iter()
            .map(|other| &other.key)
            .filter(|other| *other != key && !self.known.is_declined(other))
            .map(short)
            .collect();
        let as_well = match others.as_slice() {
            [] => None,
            [one] => Some(format!("another, {one}, goes by {nick} now")),
            several => {
                let named = several.get(..NAMED_MAX).unwrap_or(several).join(", ");
                Some(format!("{} others go by {nick} now: {named}", several.len()))
            }
        };
        let changed: Vec<String> = now.into_iter().chain(as_well).collect();
        (!changed.is_empty()).then(|| changed.join(", and "))
    }

    /// What is no more as it was when the account was pinned to this key. Where the chain says that it speaks for the account no
    /// more, or another does, nothing is sent: the account may have been sold.
    fn changed_of_account(&self, account: u32, key: &ChatKey) -> Result<Option<String>, SendError> {
        let speaker = self.known.speaker(key);
        let standing = speaker.filter(|speaker| speaker.account == Some(account)).map(|speaker| speaker.standing);
        if standing.is_some_and(|standing| rank(standing) <= 1) {
            return Ok(None);
        }
        let (name, pinned) = (Name::Account(account).text(), short(key));
        if let Some(other) = self.proven(account) {
            return Err(SendError::OtherProven { name, pinned, other: short(&other.key) });
        }
        match (standing, speaker.and_then(|speaker| speaker.account)) {
            (Some(Standing::Unchecked), _) => Ok(Some("whether that key still speaks for it is unchecked".to_owned())),
            (None, None) => Ok(Some("that key shows no account now".to_owned())),
            (Some(standing), _) => {
                Err(SendError::NotProven { name, pinned, why: format!("that key's claim to it is {standing} now") })
            }
            (None, Some(other)) => {
                let why = format!("that key shows {} instead now", Name::Account(other));
                Err(SendError::NotProven { name, pinned, why })
            }
        }
    }

    /// Whether a key goes by a name, or did when the name was pinned to it. Mistyped digits are somebody else's.
    pub(super) fn goes_by(&self, key: &ChatKey, name: &Name) -> Result<(), SendError> {
        if self.pins.get(&name.text()) == Some(key) {
            return Ok(());
        }
        let speaker = self.known.speaker(key);
        let (nick, account) = speaker.map_or((None, None), |it| (it.nick.as_deref(), it.account));
        let goes = match name {
            Name::Nick(name) => nick == Some(name),
            Name::Account(name) => self.known.proofs().claimed_by(key).any(|claim| claim.account == *name),
            Name::Channel(_) => false,
        };
        if goes {
            return Ok(());
        }
        let is = match (name, nick, account) {
            (Name::Nick(_), Some(nick), _) => format!("it calls itself {nick}"),
            (Name::Account(_), _, Some(account)) => format!("it shows {}", Name::Account(account)),
            _ => "nothing of the kind is known of it".to_owned(),
        };
        Err(SendError::NotCalled { key: short(key), name: name.text(), is })
    }

    /// Only what the chain confirms is the account.
    fn proven(&self, account: u32) -> Option<&Speaker> {
        self.known.claiming(account).into_iter().find(|speaker| rank(speaker.standing) <= 1)
    }

    /// In the place of one who goes on as another stands that one.
    fn others_called(&self, nick: &str) -> Vec<&Speaker> {
        let mut seen = BTreeSet::new();
        let called = self.known.called(nick).into_iter().map(|speaker| self.heirs.last(speaker.key));
        let others = called.filter(|key| self.own_key(key).is_none() && seen.insert(*key));
        others.filter_map(|key| self.known.speaker(&key)).collect()
    }

    fn one_called(&self, nick: &str) -> Result<Option<Person>, SendError> {
        let called = self.others_called(nick);
        let contacts: Vec<_> = called.iter().filter(|speaker| self.known.is_contact(&speaker.key)).copied().collect();
        match (contacts.as_slice(), called.as_slice()) {
            ([one], _) | ([], [one]) => Ok(Some(Person::found(one.key))),
            ([], []) if self.own.iter().any(|own| own.nick.as_deref() == Some(nick)) => {
                Err(SendError::Oneself(nick.to_owned()))
            }
            ([], []) => Ok(None),
            _ => {
                let shown = called.iter().take(NAMED_MAX).map(|it| format!("{} ({})", it.key, it.standing));
                let keys = shown.collect::<Vec<_>>().join(", ");
                Err(SendError::Ambiguous { name: nick.to_owned(), keys })
            }
        }
    }

    /// A name by which somebody can be reached who does not listen where only the two can write: the one that was typed if the key
    /// goes by it, else another that it goes by, else one that it was once known by.
    pub(super) fn name_to_reach(&self, key: &ChatKey, typed: Option<&Name>) -> Option<Name> {
        let speaker = self.known.speaker(key);
        let nick = speaker.and_then(|speaker| speaker.nick.clone()).map(Name::Nick);
        let account = speaker.and_then(|speaker| speaker.account).map(Name::Account);
        let goes_by = |typed: &&Name| nick.iter().chain(&account).any(|name| name == *typed);
        let pinned = || {
            let (name, _) = self.pins.iter().find(|(_, pinned)| *pinned == key)?;
            Name::parse(name).ok()
        };
        typed.filter(goes_by).cloned().or(nick.clone()).or(account.clone()).or_else(|| typed.cloned()).or_else(pinned)
    }

    /// Somebody was written to under seal: the name that was used means him from now on.
    pub(super) fn pin_addressee(&mut self, to: &Addressee, key: ChatKey, now: Wall, changes: &mut Vec<Change>) {
        match to {
            _ if self.own_key(&key).is_some() => {}
            Addressee::Name(name) => self.pin(name.name(), key, now, changes),
            Addressee::Named(_, name) => self.pin(name, key, now, changes),
            Addressee::Key(_) => self.pin_nick(key, now, changes),
            Addressee::Target(_) => {}
        }
    }

    /// A name means this key from now on.
    pub(super) fn pin(&mut self, name: &Name, key: ChatKey, now: Wall, changes: &mut Vec<Change>) {
        let name = name.text();
        changes.extend(self.pins.put(name.clone(), key, now).map(Change::NoPin));
        changes.push(Change::Pin(Pin { name, key, used: now }));
    }

    /// So does the nick of somebody, unless it is somebody else's here already: who takes another's nick does not take his place.
    pub(super) fn pin_nick(&mut self, key: ChatKey, now: Wall, changes: &mut Vec<Change>) {
        let nick = self.known.speaker(&key).and_then(|speaker| speaker.nick.clone());
        if let Some(nick) = nick.filter(|nick| self.pins.get(nick).is_none_or(|pinned| *pinned == key)) {
            self.pin(&Name::Nick(nick), key, now, changes);
        }
    }
}

/// As a key is shown beside a nick.
pub(super) fn short(key: &ChatKey) -> String {
    format!("~{}", key.short())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use nightjar_core::chain::Network;
    use nightjar_envelope::key::ChatSecret;
    use zeroize::Zeroizing;

    use super::super::send::{Letter, SealWish};
    use super::super::state::{OwnKey, PINS_MAX};
    use super::*;
    use crate::store::{Pair, People, Relation};

    const NOW: Wall = Wall(1_800_000_000_000);
    const ACCOUNT: Name = Name::Account(1234);

    fn secret(number: u8) -> ChatSecret {
        ChatSecret::from_seed(&Zeroizing::new([number; 32]))
    }

    fn key(number: u8) -> ChatKey {
        secret(number).public()
    }

    fn raven() -> Name {
        Name::Nick("raven".to_owned())
    }

    /// Raven and the account mean the second key; the first is ours.
    fn pinned() -> State {
        let mut state = State::new(Network::Main, People::default(), NOW);
        let own = OwnKey { secret: secret(1), ended: false, heir: None, default: true, nick: None };
        state.set_own(vec![own], Vec::new(), false, NOW);
        for name in [raven(), ACCOUNT] {
            state.pin(&name, key(2), NOW, &mut Vec::new());
        }
        state
    }

    fn called(state: &mut State, number: u8, nick: &str) {
        state.known.card(key(number), nick, NOW.0, NOW, &mut Vec::new());
    }

    fn stands(state: &mut State, number: u8, account: u32, standing: Standing) {
        state.known.heard(key(number), NOW, &mut Vec::new());
        state.known.claims(key(number), account, &mut Vec::new());
        state.known.judge(key(number), account, standing, &("peers".to_owned(), 7), NOW, &mut Vec::new());
    }

    fn decline(state: &mut State, number: u8) {
        let pair = Pair {
            own: key(1),
            other: key(number),
            relation: Relation::Declined,
            wrote: 0,
            answered: 0,
            heard: 0,
            asked: 0,
        };
        state.known.set_pair(pair, &mut Vec::new()).unwrap();
    }

    /// The note about the second key, which the name still means.
    fn note(state: &State, name: &Name) -> Option<String> {
        let person = state.person(name).unwrap().unwrap();
        assert!(person.key == key(2) && person.pinned);
        person.note
    }

    #[test]
    fn a_pinned_nick_means_its_key_whatever_that_one_and_others_call_themselves_and_it_is_told() {
        let mut state = pinned();
        let [hers, other, third] = [2, 3, 4].map(|number| short(&key(number)));
        let said = |changed: &str| Some(format!("raven is {hers} here, as before; {changed}"));
        assert_eq!(note(&state, &raven()), said("nothing else is known of that key now"));
        called(&mut state, 2, "raven");
        assert_eq!(note(&state, &raven()), None);
        called(&mut state, 1, "raven");
        assert_eq!(note(&state, &raven()), None, "one of ours is nobody else");
        called(&mut state, 3, "raven");
        assert_eq!(note(&state, &raven()), said(&format!("another, {other}, goes by raven now")));
        decline(&mut state, 3);
        assert_eq!(note(&state, &raven()), None, "of one who is declined the user knows");
        called(&mut state, 4, "raven");
        state.known.card(key(2), "crow", NOW.0 + 1, NOW, &mut Vec::new());
        let both = format!("that key calls itself crow now, and another, {third}, goes by raven now");
        assert_eq!(note(&state, &raven()), said(&both));
        for number in 5..=20 {
            called(&mut state, number, "raven");
        }
        let many = note(&state, &raven()).unwrap();
        assert!(many.contains("17 others go by raven now") && many.matches('~').count() == NAMED_MAX + 1, "{many}");
    }

    #[test]
    fn a_pinned_nick_of_one_who_is_declined_is_written_to_only_where_it_can_mean_nobody_else() {
        let mut state = pinned();
        called(&mut state, 2, "raven");
        decline(&mut state, 2);
        assert_eq!(note(&state, &raven()), None);
        called(&mut state, 3, "raven");
        let refused = state.person(&raven()).unwrap_err();
        assert!(matches!(&refused, SendError::MeansDeclined { .. }), "{refused}");
        assert!(refused.to_string().contains("`raven~DIGITS`") && refused.to_string().contains(&short(&key(3))));
    }

    #[test]
    fn a_name_that_means_a_key_of_our_own_is_refused() {
        let mut state = pinned();
        let own = OwnKey { secret: secret(2), ended: true, heir: None, default: false, nick: None };
        state.set_own(vec![own], Vec::new(), false, NOW);
        for name in [raven(), ACCOUNT] {
            assert!(matches!(state.person(&name), Err(SendError::MeansOwn { .. })));
        }
        state.pin_addressee(&Addressee::Key(key(2)), key(2), NOW, &mut Vec::new());
        called(&mut state, 2, "crow");
        state.pin_addressee(&Addressee::Named(key(2), Name::Nick("crow".to_owned())), key(2), NOW, &mut Vec::new());
        assert!(state.pins.get("crow").is_none(), "nor does one come to mean it");
    }

    #[test]
    fn a_pinned_account_means_its_key_while_the_chain_does_not_say_otherwise() {
        let unknown = pinned();
        assert!(note(&unknown, &ACCOUNT).unwrap().contains("shows no account now"));
        let after = |steps: &[(u8, u32, Standing)]| {
            let mut state = pinned();
            steps.iter().for_each(|(number, account, standing)| stands(&mut state, *number, *account, *standing));
            state
        };
        for standing in [Standing::Proven, Standing::ProvenByPeers] {
            assert_eq!(note(&after(&[(2, 1234, standing), (3, 1234, Standing::Proven)]), &ACCOUNT), None);
        }
        let unchecked = after(&[(2, 1234, Standing::Unchecked), (3, 1234, Standing::Unchecked)]);
        assert!(note(&unchecked, &ACCOUNT).unwrap().contains("unchecked"));
        let refused = |state: &State| state.person(&ACCOUNT).unwrap_err();
        for standing in [Standing::Disputed, Standing::Lapsed, Standing::Claimed] {
            let error = refused(&after(&[(2, 1234, standing)]));
            assert!(matches!(&error, SendError::NotProven { .. }), "{error}");
            assert!(error.to_string().contains(standing.words()) && error.to_string().contains(&short(&key(2))));
        }
        for first in [None, Some((2, 1234, Standing::Unchecked)), Some((2, 1234, Standing::Lapsed))] {
            let steps: Vec<_> = first.into_iter().chain([(3, 1234, Standing::Proven)]).collect();
            let error = refused(&after(&steps));
            assert!(matches!(&error, SendError::OtherProven { .. }), "{error}");
            assert!([2, 3].iter().all(|number| error.to_string().contains(&short(&key(*number)))), "{error}");
        }
        let elsewhere = refused(&after(&[(2, 77, Standing::Proven)]));
        assert!(matches!(&elsewhere, SendError::NotProven { .. }) && elsewhere.to_string().contains("shows 77-"));
    }

    #[test]
    fn the_chain_is_asked_about_a_pinned_account_unless_it_has_said_whose_it_is() {
        let mut state = pinned();
        let to = |name: &Name| Addressee::Name(name.text().parse().unwrap());
        let asks = |state: &State, name: &Name, seal: SealWish| {
            // Not for the account's own key: that seals no reply.
            let letter = Letter { seal, reply_to: Some([1; 8]), ..Letter::text(to(name), "x") };
            state.wants_account_key(&letter).is_some()
        };
        for standing in [None, Some(Standing::Unchecked), Some(Standing::Lapsed)] {
            standing.into_iter().for_each(|standing| stands(&mut state, 2, 1234, standing));
            assert!(asks(&state, &ACCOUNT, SealWish::Best) && asks(&state, &ACCOUNT, SealWish::ChatKey));
            assert!(!asks(&state, &ACCOUNT, SealWish::None) && !asks(&state, &Name::Account(77), SealWish::Best));
        }
        stands(&mut state, 3, 1234, Standing::Proven);
        assert!(!asks(&state, &ACCOUNT, SealWish::Best));
    }

    #[test]
    fn a_nick_means_somebody_else_only_when_the_user_says_so() {
        let mut state = pinned();
        called(&mut state, 3, "raven");
        let mut changes = Vec::new();
        state.pin_nick(key(3), NOW, &mut changes);
        state.pin_addressee(&Addressee::Key(key(3)), key(3), NOW, &mut changes);
        assert!(state.pins.get("raven") == Some(&key(2)) && changes.is_empty());
        called(&mut state, 4, "magpie");
        state.pin_addressee(&Addressee::Key(key(4)), key(4), NOW, &mut changes);
        assert_eq!(state.pins.get("magpie"), Some(&key(4)), "it meant nobody");
        state.pin_addressee(&Addressee::Named(key(3), raven()), key(3), NOW, &mut changes);
        assert_eq!(state.pins.get("raven"), Some(&key(3)));
    }

    #[test]
    fn names_that_mean_somebody_are_bounded_and_what_is_forgotten_is_deleted() {
        let mut state = State::new(Network::Main, People::default(), NOW);
        let mut changes = Vec::new();
        for number in 0..=PINS_MAX as u64 {
            let name = Name::Nick(format!("raven{number}"));
            state.pin(&name, key(2), Wall(NOW.0 + number), &mut changes);
        }
        assert_eq!(state.pins.iter().count(), PINS_MAX);
        let forgotten: Vec<_> = changes.iter().filter(|change| !matches!(change, Change::Pin(_))).collect();
        assert!(matches!(forgotten[..], [Change::NoPin(name)] if name == "raven0"), "{forgotten:?}");
    }

    #[test]
    fn somebody_is_reached_by_a_name_he_goes_by_and_else_by_one_he_was_known_by() {
        let mut state = pinned();
        let crow = Name::Nick("crow".to_owned());
        assert_eq!(state.name_to_reach(&key(2), Some(&raven())), Some(raven()));
        assert_eq!(state.name_to_reach(&key(2), None), Some(ACCOUNT), "it is pinned");
        assert_eq!(state.name_to_reach(&key(3), None), None);
        called(&mut state, 2, "crow");
        assert_eq!(state.name_to_reach(&key(2), Some(&raven())), Some(crow.clone()), "there he listens");
        stands(&mut state, 2, 1234, Standing::Proven);
        assert_eq!(state.name_to_reach(&key(2), Some(&ACCOUNT)), Some(ACCOUNT));
        assert_eq!(state.name_to_reach(&key(2), Some(&raven())), Some(crow));
    }
}
