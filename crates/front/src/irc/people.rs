//! Who is called what here: authors that are heard get a nick that no other has, nor any local user, service or server. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use nightjar_core::name::Name;
use nightjar_envelope::key::ChatKey;
use nightjar_node::chain::standing::Standing;
use nightjar_node::message::Speaker;

/// Authors that have a nick here. Those heard longest ago go first: a stranger can make a key for each message.
pub(super) const PEOPLE_MAX: usize = 4_096;
/// Digits of a key behind a nick that another has. More when somebody made a key that begins the same.
pub(super) const DIGITS: usize = 12;
/// What stands between a nick and digits. No nick on the network holds it, so that none can look like one with digits.
pub(super) const MARK: char = '~';
/// Who is called so is a part of a server, by what IRC users are used to.
const SERVICES: [&str; 18] = [
    "nickserv",
    "chanserv",
    "memoserv",
    "operserv",
    "botserv",
    "hostserv",
    "saslserv",
    "authserv",
    "helpserv",
    "statserv",
    "infoserv",
    "groupserv",
    "global",
    "services",
    "server",
    "nightjar",
    "status",
    "root",
];

/// Who says or does something, as IRC shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) nick: String,
    pub(super) user: String,
    pub(super) host: String,
    /// The account that is proven.
    pub(super) account: Option<String>,
    pub(super) realname: String,
}

impl Source {
    /// As it stands before a line.
    pub(super) fn mask(&self) -> String {
        format!("{}!{}@{}", self.nick, self.user, self.host)
    }

    /// Somebody who signed nothing.
    pub(super) fn anonymous() -> Self {
        Self {
            nick: format!("anon{MARK}"),
            user: "anonymous".to_owned(),
            host: Standing::Anonymous.words().to_owned(),
            account: None,
            realname: "nobody signed this".to_owned(),
        }
    }

    /// The user of a wallet that is linked to this node.
    pub(super) fn wallet(peer: &str) -> Self {
        let address = peer.replace(':', ".");
        Self {
            nick: format!("wallet{MARK}{}", address.trim_matches(['[', ']', '.']).replace(['[', ']'], "")),
            user: "wallet".to_owned(),
            host: "wallet".to_owned(),
            account: None,
            realname: format!("a PascalCoin wallet at {peer}"),
        }
    }
}

/// The one form of a nick: IRC's case mapping `ascii`.
pub(super) fn fold(nick: &str) -> String {
    nick.to_ascii_lowercase()
}

/// Whether a nick belongs to what IRC users take for a part of the server.
pub(super) fn is_service(nick: &str) -> bool {
    SERVICES.contains(&fold(nick).as_str())
}

/// What the state of an author is in the host part of a prefix.
pub(super) fn host_of(standing: Standing, account: Option<u32>) -> String {
    let word = match standing {
        Standing::ProvenByPeers => "proven-by-peers",
        standing => standing.words(),
    };
    match account {
        Some(account) => format!("{word}/{}", Name::Account(account).text()),
        None => word.to_owned(),
    }
}

/// The account that is proven, in words.
pub(super) fn proven(speaker: &Speaker) -> Option<String> {
    let is_proven = matches!(speaker.standing, Standing::Proven | Standing::ProvenByPeers);
    speaker.account.filter(|_| is_proven).map(|account| Name::Account(account).text())
}

/// Who goes before whom when both call themselves the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// By the node's memory his nick is another's, who need not have been heard since the gateway began: he is never shown by it alone.
    Impostor,
    /// Anybody.
    Stranger,
    /// His account is proven.
    Proven,
    /// The user wrote to him, or accepted him.
    Contact,
    /// His nick is pinned to his key: at this node it means him and nobody else.
    Pinned,
}

#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) source: Arc<Source>,
    /// What he calls himself.
    pub(super) speaker: Speaker,
    rank: Rank,
    /// When he was last met, in meetings.
    met: u64,
    /// The user decided about him since: his rank may be another one.
    decided: bool,
}

impl Person {
    /// Whether he still has the rank that he has by the pin of his nick.
    fn fits(&self, pinned: Option<ChatKey>) -> bool {
        match pinned {
            Some(key) if key == self.speaker.key => self.rank == Rank::Pinned,
            Some(_) => self.rank == Rank::Impostor,
            None => self.rank != Rank::Pinned,
        }
    }
}

/// Somebody is called otherwise from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Renamed {
    pub(super) key: ChatKey,
    pub(super) before: Arc<Source>,
    pub(super) after: Arc<Source>,
}

/// The authors that were heard.
#[derive(Debug, Default)]
pub(super) struct People {
    by_key: BTreeMap<ChatKey, Person>,
    by_nick: BTreeMap<String, ChatKey>,
    meetings: u64,
}

impl People {
    /// Somebody is heard, or known otherwise; his nick is pinned to this key, or to none and then he has this rank. Gives how he is called,
    /// and who is called otherwise because of that.
    pub(super) fn meet(
        &mut self,
        speaker: &Speaker,
        pinned: Option<ChatKey>,
        rank: impl FnOnce() -> Rank,
        is_local: impl Fn(&str) -> bool,
    ) -> (Arc<Source>, Vec<Renamed>) {
        self.meetings += 1;
        let key = speaker.key;
        if let Some(known) = self.by_key.get_mut(&key) {
            known.met = self.meetings;
            let of = |it: &Speaker| (it.nick.clone(), it.account, it.standing);
            if !known.decided && known.fits(pinned) && of(&known.speaker) == of(speaker) {
                known.speaker = speaker.clone();
                return (Arc::clone(&known.source), Vec::new());
            }
        }
        let rank = match pinned {
            Some(pinned) if pinned == key => Rank::Pinned,
            Some(_) => Rank::Impostor,
            None => rank(),
        };
        let before = self.by_key.get(&key).map(|person| Arc::clone(&person.source));
        let mut renamed = Vec::new();
        if let Some(before) = &before {
            self.by_nick.remove(&fold(&before.nick));
        }
        let wanted = speaker.nick.as_deref().filter(|_| rank != Rank::Impostor);
        let wanted = wanted.filter(|nick| !is_service(nick) && !is_local(nick));
        let plain = wanted.filter(|nick| match self.by_nick.get(*nick).copied() {
            None => true,
            // A nick is pinned to one at most: a holder who was says so no more.
            Some(_) if rank == Rank::Pinned => true,
            Some(holder) => self.by_key.get(&holder).is_none_or(|holder| holder.rank < rank),
        });
        if let Some(holder) = plain.and_then(|nick| self.by_nick.get(nick).copied()) {
            renamed.extend(self.move_away(holder));
        }
        let nick = plain.map_or_else(|| self.with_digits(speaker), str::to_owned);
        let source = Arc::new(source(speaker, nick.clone()));
        self.by_nick.insert(fold(&nick), key);
        let person =
            Person { source: Arc::clone(&source), speaker: speaker.clone(), rank, met: self.meetings, decided: false };
        self.by_key.insert(key, person);
        if let Some(before) = before.filter(|before| before.nick != source.nick) {
            renamed.push(Renamed { key, before, after: Arc::clone(&source) });
        }
        self.forget_some();
        (source, renamed)
    }

    /// The user decided about somebody: at the next meeting it is looked again who goes before whom.
    pub(super) fn look_again(&mut self, key: &ChatKey) {
        if let Some(person) = self.by_key.get_mut(key) {
            person.decided = true;
        }
    }

    /// A local user takes a nick: whoever was heard by it gets digits.
    pub(super) fn yield_nick(&mut self, nick: &str) -> Option<Renamed> {
        let holder = self.by_nick.get(&fold(nick)).copied()?;
        self.move_away(holder)
    }

    /// Who is called so.
    pub(super) fn called(&self, nick: &str) -> Option<&Person> {
        self.by_key.get(self.by_nick.get(&fold(nick))?)
    }

    /// Who has this key.
    pub(super) fn with_key(&self, key: &ChatKey) -> Option<&Person> {
        self.by_key.get(key)
    }

    fn move_away(&mut self, key: ChatKey) -> Option<Renamed> {
        let person = self.by_key.get(&key)?;
        let before = Arc::clone(&person.source);
        let nick = self.with_digits(&person.speaker);
        self.by_nick.remove(&fold(&before.nick));
        let after = Arc::new(source(&self.by_key.get(&key)?.speaker, nick.clone()));
        self.by_nick.insert(fold(&nick), key);
        self.by_key.get_mut(&key)?.source = Arc::clone(&after);
        Some(Renamed { key, before, after })
    }

    /// The nick with so many digits of the key that nobody else has it.
    fn with_digits(&self, speaker: &Speaker) -> String {
        let (nick, key) = (speaker.nick.as_deref().unwrap_or("key"), speaker.key.to_string());
        let names =
            (DIGITS..=key.len()).step_by(4).map(|digits| format!("{nick}{MARK}{}", &key.get(..digits).unwrap_or(&key)));
        let is_free = |name: &String| self.by_nick.get(&fold(name)).is_none_or(|holder| *holder == speaker.key);
        let full = format!("{nick}{MARK}{key}");
        names.into_iter().find(is_free).unwrap_or(full)
    }

    fn forget_some(&mut self) {
        if self.by_key.len() > PEOPLE_MAX {
            let oldest = self.by_key.iter().min_by_key(|(_, person)| person.met).map(|(key, _)| *key);
            if let Some(person) = oldest.and_then(|key| self.by_key.remove(&key)) {
                self.by_nick.remove(&fold(&person.source.nick));
            }
        }
    }
}

/// The beginning of a key, as it is shown to people.
pub(super) fn digits_of(key: &str) -> &str {
    key.get(..DIGITS).unwrap_or(key)
}

fn source(speaker: &Speaker, nick: String) -> Source {
    let key = speaker.key.to_string();
    Source {
        nick,
        user: digits_of(&key).to_owned(),
        host: host_of(speaker.standing, speaker.account),
        account: proven(speaker),
        // Some clients show it whenever somebody joins. All digits stand in WHOIS.
        realname: format!("key {MARK}{}", digits_of(&key)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use nightjar_core::time::Wall;
    use nightjar_envelope::key::ChatSecret;
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> ChatKey {
        ChatSecret::from_seed(&[number; 32].into()).public()
    }

    fn speaker(number: u8, nick: Option<&str>) -> Speaker {
        Speaker {
            key: key(number),
            nick: nick.map(str::to_owned),
            nick_ms: 1,
            account: None,
            standing: Standing::Claimed,
            source: String::new(),
            block: 0,
            looked: Wall(0),
            first: Wall(0),
            heard: Wall(0),
        }
    }

    fn with_digits(number: u8, nick: &str) -> String {
        format!("{nick}~{}", &key(number).to_string()[..DIGITS])
    }

    #[test]
    fn who_comes_second_by_a_nick_gets_digits_of_his_key() {
        let mut people = People::default();
        let (first, renamed) = people.meet(&speaker(1, Some("raven")), None, || Rank::Stranger, |_| false);
        assert!(first.nick == "raven" && renamed.is_empty());
        let (second, renamed) = people.meet(&speaker(2, Some("raven")), None, || Rank::Stranger, |_| false);
        assert!(second.nick == with_digits(2, "raven") && renamed.is_empty());
        assert_eq!(people.called("RAVEN").unwrap().speaker.key, key(1));
    }

    #[test]
    fn a_contact_takes_his_nick_back_from_a_stranger() {
        let mut people = People::default();
        people.meet(&speaker(1, Some("raven")), None, || Rank::Stranger, |_| false);
        let (source, renamed) = people.meet(&speaker(2, Some("raven")), None, || Rank::Contact, |_| false);
        assert_eq!(source.nick, "raven");
        assert_eq!((renamed[0].key, renamed[0].after.nick.clone()), (key(1), with_digits(1, "raven")));
    }

    #[test]
    fn whoever_was_accepted_takes_his_nick_at_the_next_meeting() {
        let mut people = People::default();
        people.meet(&speaker(1, Some("raven")), None, || Rank::Stranger, |_| false);
        people.meet(&speaker(2, Some("raven")), None, || Rank::Stranger, |_| false);
        let (source, _) = people.meet(&speaker(2, Some("raven")), None, || Rank::Contact, |_| false);
        assert_eq!(source.nick, with_digits(2, "raven"), "nothing about him changed");
        people.look_again(&key(2));
        let (source, renamed) = people.meet(&speaker(2, Some("raven")), None, || Rank::Contact, |_| false);
        assert_eq!((source.nick.as_str(), renamed.len()), ("raven", 2));
        people.look_again(&key(9));
    }

    #[test]
    fn nobody_passes_as_a_local_user_or_a_service() {
        assert!(["ChanServ", "helpserv", "groupserv"].into_iter().all(is_service) && !is_service("raven"));
        let mut people = People::default();
        let (source, _) = people.meet(&speaker(1, Some("nickserv")), None, || Rank::Contact, |_| false);
        assert_eq!(source.nick, with_digits(1, "nickserv"));
        let (source, _) = people.meet(&speaker(2, Some("alice")), None, || Rank::Contact, |nick| nick == "alice");
        assert_eq!(source.nick, with_digits(2, "alice"));
        people.meet(&speaker(3, Some("bob")), None, || Rank::Contact, |_| false);
        let renamed = people.yield_nick("Bob").unwrap();
        assert_eq!((renamed.before.nick.as_str(), renamed.after.nick.clone()), ("bob", with_digits(3, "bob")));
        assert!(people.called("bob").is_none());
    }

    #[test]
    fn who_takes_another_nick_is_renamed_and_who_has_none_goes_by_his_key() {
        let mut people = People::default();
        let (source, _) = people.meet(&speaker(1, None), None, || Rank::Stranger, |_| false);
        assert_eq!(source.nick, with_digits(1, "key"));
        let (_, renamed) = people.meet(&speaker(1, Some("raven")), None, || Rank::Stranger, |_| false);
        assert_eq!(renamed[0].after.nick, "raven");
        assert!(people.called(&with_digits(1, "key")).is_none());
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let mut people = People::default();
        for number in 0..PEOPLE_MAX as u64 + 10 {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&number.to_le_bytes());
            let speaker = Speaker { key: ChatSecret::from_seed(&seed.into()).public(), ..speaker(0, Some("raven")) };
            people.meet(&speaker, None, || Rank::Stranger, |_| false);
        }
        assert!(people.by_key.len() == PEOPLE_MAX && people.by_nick.len() == PEOPLE_MAX);
    }

    #[test]
    fn a_pinned_nick_is_its_keys_alone_whoever_speaks_first() {
        let (mut people, hers) = (People::default(), Some(key(1)));
        let (source, _) = people.meet(&speaker(2, Some("raven")), hers, || Rank::Contact, |_| false);
        assert_eq!(source.nick, with_digits(2, "raven"), "she was not heard yet");
        assert!(people.called("raven").is_none());
        let (source, renamed) = people.meet(&speaker(1, Some("raven")), hers, || Rank::Stranger, |_| false);
        assert!(source.nick == "raven" && renamed.is_empty());
        let (source, renamed) = people.meet(&speaker(2, Some("raven")), hers, || Rank::Contact, |_| false);
        assert!(source.nick == with_digits(2, "raven") && renamed.is_empty());
    }

    #[test]
    fn what_is_pinned_anew_is_seen_at_the_next_meeting() {
        let mut people = People::default();
        let stranger = || Rank::Stranger;
        people.meet(&speaker(2, Some("raven")), None, stranger, |_| false);
        let (source, renamed) = people.meet(&speaker(2, Some("raven")), Some(key(1)), stranger, |_| false);
        assert_eq!((&*source.nick, renamed.len()), (&*with_digits(2, "raven"), 1));
        people.meet(&speaker(1, Some("raven")), Some(key(1)), stranger, |_| false);
        let (source, renamed) = people.meet(&speaker(2, Some("raven")), Some(key(2)), stranger, |_| false);
        assert_eq!((&*source.nick, renamed.len()), ("raven", 2), "the user says so");
        let (source, _) = people.meet(&speaker(2, Some("raven")), None, || Rank::Impostor, |_| false);
        assert_eq!(source.nick, with_digits(2, "raven"), "a contact goes by it");
    }

    #[test]
    fn an_impostor_has_no_plain_nick_even_after_the_other_was_forgotten() {
        let mut people = People::default();
        people.meet(&speaker(1, Some("raven")), Some(key(1)), || Rank::Contact, |_| false);
        for number in 0..=PEOPLE_MAX as u64 {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&(1_000 + number).to_le_bytes());
            let speaker = Speaker { key: ChatSecret::from_seed(&seed.into()).public(), ..speaker(0, Some("raven")) };
            let (source, _) = people.meet(&speaker, Some(key(1)), || Rank::Stranger, |_| false);
            assert!(source.nick.starts_with("raven~"));
        }
        assert!(people.with_key(&key(1)).is_none() && people.called("raven").is_none());
    }

    proptest! {
        #[test]
        fn no_two_have_one_nick(meetings in proptest::collection::vec((0..6u8, 0..4usize, 0..4u8, 0..12u8), 1..60)) {
            let nicks = [None, Some("raven"), Some("alice"), Some("crow")];
            let mut people = People::default();
            for (who, nick, rank, pinned) in meetings {
                let rank = [Rank::Impostor, Rank::Stranger, Rank::Proven, Rank::Contact][usize::from(rank)];
                let pinned = (pinned < 6).then(|| key(pinned));
                let (source, _) = people.meet(&speaker(who, nicks[nick]), pinned, || rank, |nick| nick == "alice");
                prop_assert!(source.nick != "alice");
                prop_assert!(pinned.is_none_or(|pinned| pinned == key(who)) || source.nick.contains(MARK));
                prop_assert_eq!(people.by_key.len(), people.by_nick.len());
                for (key, person) in &people.by_key {
                    prop_assert_eq!(people.by_nick.get(&person.source.nick), Some(key));
                }
            }
        }
    }
}
