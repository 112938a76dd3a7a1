//! Opens what came, before it is written: says what it says, who wrote it and in which conversation it belongs. Runs in the
//! writer's thread. What cannot be opened has no effect but a count, and nothing that comes makes this node send, but that a contact may be told.

use std::sync::{Arc, MutexGuard};

use nightjar_core::name::{Name, TypedName};
use nightjar_core::record::Record;
use nightjar_envelope::delegation::Delegation;
use nightjar_envelope::fragment::{Joined, Part};
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::map::{Kind, Map};
use nightjar_envelope::open::{self, Meaning, OpenedMessage, Refused, Says};
use nightjar_envelope::{CODING, Place, form};

use super::meaning::Meant;
use super::people::When;
use super::state::State;
use super::{Shared, count};
use crate::chain::standing::Standing;
use crate::chain::view::Ask;
use crate::message::{Content, NewMessage, Reading, Said, is_raw, text_of};
use crate::store::{Change, Opened, Opener, Pair, Relation};

/// Opens with the keys of the node.
pub(super) struct PostOpener {
    pub(super) shared: Arc<Shared>,
}

impl Opener for PostOpener {
    fn open(&mut self, came: Vec<NewMessage>) -> Opened {
        let mut opened = Opened::default();
        if came.is_empty() {
            return opened;
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        for message in came {
            self.open_one(&mut state, message, &mut opened);
        }
        // Who wrote to us listens for the answer where only the two of us know: so do we, soon.
        if state.refresh_pairs() {
            shared.pairs_changed.notify_one();
        }
        opened
    }
}

impl PostOpener {
    fn open_one(&self, state: &mut MutexGuard<'_, State>, message: NewMessage, opened: &mut Opened) {
        if message.reading.is_some() {
            return opened.messages.push(message);
        }
        // What is in no envelope says nothing of its author.
        if !message.own && state.is_ignored(None, None, text_of(&message.content, None).as_deref()) {
            return count(&self.shared.counters.ignored);
        }
        let Content::Record(record) = &message.content else { return opened.messages.push(message) };
        let meant = state.meant(record.target()).cloned();
        let reading = match record.stamp() {
            Some(stamp) if stamp.coding == CODING && stamp.reserved == 0 => {
                // What was sent here was written down when it was sent.
                if message.own {
                    return;
                }
                self.envelope(state, record, &message, meant, &mut opened.changes)
            }
            _ if matches!(meant, Some(Meant::Channel(_) | Meant::Pair { .. })) => {
                count(&self.shared.counters.outsiders);
                None
            }
            _ => {
                let is_raw = is_raw(record);
                let why = || "it is of a form that this program does not know".to_owned();
                let said = if is_raw { Said::Raw } else { Said::Unreadable { form: None, why: why() } };
                let id = is_raw.then(|| MessageId::of_raw(state.network, record));
                let request = self.is_request(state, meant.as_ref(), None);
                Some(Reading {
                    conversation: conversation(&message, record, meant.as_ref()),
                    id,
                    author: None,
                    own_key: None,
                    said,
                    standing: Standing::Anonymous,
                    request: request && !message.own,
                    mention: false,
                })
            }
        };
        if let Some(mut reading) = reading {
            let text = text_of(&message.content, Some(&reading));
            reading.mention = text.is_some_and(|text| state.names_us(&text));
            let own = message.own || reading.author.is_some_and(|author| state.own_key(&author).is_some());
            opened.messages.push(NewMessage { own, reading: Some(reading), ..message });
        }
    }

    /// What an envelope says; `None` when it is nothing for the log.
    fn envelope(
        &self,
        state: &mut State,
        record: &Record,
        message: &NewMessage,
        meant: Option<Meant>,
        changes: &mut Vec<Change>,
    ) -> Option<Reading> {
        let place = Place::of(state.network, record)?;
        let whole;
        let body = match Part::parse(record.body()) {
            Some(part) => match self.shared.assembly().take(&place, &part) {
                Joined::Whole(body) => {
                    whole = body;
                    &whole
                }
                _ => return None,
            },
            None => record.body(),
        };
        let passwords: Vec<&str> = self.passwords(state, message, meant.as_ref());
        let meaning = match &meant {
            Some(Meant::Channel(name)) => Meaning::Channel(state.joined.get(name)?.channel.as_ref()?),
            Some(Meant::Pair { own, other }) => Meaning::Pair(state.pair_key(own, other)?),
            Some(Meant::Name(_)) => Meaning::Own { secrets: &state.secrets, accounts: &[], passwords: &passwords },
            None if is_direct(message) => {
                Meaning::Own { secrets: &state.secrets, accounts: &[], passwords: &passwords }
            }
            None => Meaning::Open { passwords: &passwords },
        };
        let first = body.first().copied();
        match open::open(&place, body, &meaning) {
            open::Opened::Message(opened) => self.message(state, record, message, meant, opened, changes),
            open::Opened::Unreadable(why) => Some(Reading {
                conversation: conversation(message, record, meant.as_ref()),
                id: None,
                author: None,
                own_key: None,
                said: Said::Unreadable { form: first, why: why.to_string() },
                standing: Standing::Anonymous,
                request: self.is_request(state, meant.as_ref(), None),
                mention: false,
            }),
            open::Opened::Refused(Refused::Outsider) => {
                count(&self.shared.counters.outsiders);
                None
            }
            open::Opened::Refused(Refused::NotForUs | Refused::Forged) => {
                count(&self.shared.counters.refused);
                None
            }
        }
    }

    fn message(
        &self,
        state: &mut State,
        record: &Record,
        message: &NewMessage,
        meant: Option<Meant>,
        opened: OpenedMessage,
        changes: &mut Vec<Change>,
    ) -> Option<Reading> {
        let OpenedMessage { id, author, signed, form, recipient, says } = opened;
        let when = When { came: message.received, said: message.said_by() };
        let is_hand_over = matches!(&says, Says::Map(map) if map.kind() == Kind::HandOver);
        if is_hand_over {
            let Some((old, heir)) = heir(state, author, form, &says) else {
                count(&self.shared.counters.refused);
                return None;
            };
            // One who is not to be heard does not become another by it, so this comes first.
            state.goes_on(old, heir, when.said, changes);
        }
        if let Says::Map(map) = &says
            && map.kind() == Kind::Ack
        {
            self.acknowledged(state, map, author.zip(recipient).filter(|_| is_direct_form(form)), when, changes);
            return None;
        }
        if let Some(author) = author {
            if state.known.is_declined(&author) {
                count(&self.shared.counters.declined);
                return None;
            }
            state.known.heard(author, when, changes);
        }
        if let Says::Map(map) = &says
            && self.is_about_people(state, author, map, signed, when, changes)
        {
            return None;
        }
        // Behind what he says of himself, which tells who he is the next time.
        let (nick, text) = match &says {
            Says::Map(map) => (map.nick(), map.content().ok().flatten().and_then(|it| it.as_text().map(str::to_owned))),
            Says::Text(text) => (None, Some(text.clone())),
        };
        if state.is_ignored(author.as_ref(), nick, text.as_deref()) {
            count(&self.shared.counters.ignored);
            return None;
        }
        let direct = author.zip(recipient).filter(|_| is_direct_form(form));
        let (conversation, request) = match (direct, &meant) {
            (Some((other, own)), _) => {
                (super::direct(&other), self.met(state, own, other, form == form::PAIR, when, changes))
            }
            (None, Some(Meant::Channel(name))) => (name.clone(), false),
            (None, _) => {
                let request = self.is_request(state, meant.as_ref(), author.as_ref());
                // Who goes on as another says so to all who listen to his name, and asks us nothing.
                if let (true, Some(author), Some(Meant::Name(name))) = (request && !is_hand_over, author, &meant) {
                    self.asked(state, name, author, when, changes);
                }
                (conversation(message, record, meant.as_ref()), request)
            }
        };
        let standing = author.map_or(Standing::Anonymous, |author| state.known.standing(&author, when));
        if let (Some((other, own)), Says::Map(map)) = (direct, &says)
            && !message.late
            && matches!(map.kind(), Kind::Text | Kind::Action | Kind::Data)
            && state.own_key(&other).is_none()
            && state.known.pair(&own, &other).is_some_and(|pair| pair.relation == Relation::Contact)
        {
            self.shared.owe_ack(own, other, id);
        }
        let said = match says {
            Says::Map(map) => Said::Map { form, map: map.bytes().to_vec() },
            Says::Text(text) => Said::Text { form, text },
        };
        Some(Reading {
            conversation,
            id: Some(id),
            author,
            own_key: recipient,
            said,
            standing,
            request,
            mention: false,
        })
    }

    /// Somebody says that a message of ours came. It counts from the one whom the message was sealed for alone, to the key that wrote it, under
    /// seal; what is sent to contacts is sent to people whom the user has to do with, so nobody else is remembered because of it.
    fn acknowledged(
        &self,
        state: &mut State,
        map: &Map,
        direct: Option<(ChatKey, ChatKey)>,
        when: When,
        changes: &mut Vec<Change>,
    ) {
        let Some(((other, own), id)) = direct.zip(map.reply_to()) else { return count(&self.shared.counters.refused) };
        if state.known.is_declined(&other) {
            return count(&self.shared.counters.declined);
        }
        let pair = state.known.pair(&own, &other).filter(|pair| pair.relation == Relation::Contact).copied();
        let Some(pair) = pair else { return count(&self.shared.counters.refused) };
        // He is there, as after any word of his.
        let pair = Pair { heard: when.last_s(pair.heard), ..pair };
        state.known.set_pair(pair, changes).unwrap_or(());
        changes.push(Change::Acknowledged { conversation: super::direct(&other), by: own, id });
    }

    /// What a map says of its author, in whatever message. Cards and proofs say nothing else, and are no messages.
    fn is_about_people(
        &self,
        state: &mut State,
        author: Option<ChatKey>,
        map: &Map,
        signed: bool,
        when: When,
        changes: &mut Vec<Change>,
    ) -> bool {
        if let (Some(author), Some(nick)) = (author, map.nick()) {
            state.known.card(author, nick, map.time_ms(), when, changes);
        }
        match map.kind() {
            Kind::Card => true,
            // It is told again and again; a signature that was checked is not checked once more.
            Kind::Proof
                if let (true, Some(author), Some(bytes)) = (signed, author, map.delegation())
                    && state.known.proofs().knows(&author, bytes) =>
            {
                true
            }
            Kind::Proof => {
                let delegation = map.delegation().and_then(|bytes| Delegation::parse(bytes).ok());
                let checked = delegation.map(|delegation| {
                    // A claim is signed by the key it is for; the end of one may be told by anybody.
                    let author = author.filter(|_| signed);
                    delegation.check(state.network, author.as_ref(), when.said.unix_s())
                });
                match checked {
                    Some(Ok(checked)) => {
                        if state.known.proof(&checked, false, when.came, changes) && !checked.is_end() {
                            state.known.claims(checked.claim.chat_key, checked.claim.account, changes);
                            self.shared.look_at(checked.claim.account, Ask::Daemon);
                        }
                    }
                    Some(Err(_)) | None => count(&self.shared.counters.bad_proofs),
                }
                true
            }
            _ => false,
        }
    }

    /// Somebody wrote to us under seal. Says whether he is a stranger.
    fn met(
        &self,
        state: &mut State,
        own: ChatKey,
        other: ChatKey,
        on_pair: bool,
        when: When,
        changes: &mut Vec<Change>,
    ) -> bool {
        let known = state.known.pair(&own, &other).copied();
        let mut pair = known.unwrap_or(Pair::new(own, other, Relation::Request));
        pair.heard = when.last_s(pair.heard);
        pair.asked = when.last_s(pair.asked);
        if on_pair {
            pair.answered = when.last_s(pair.answered);
        }
        // A contact of another of our keys is no stranger.
        let is_request = pair.relation == Relation::Request && !state.known.is_contact(&other);
        // Of requests there is always room for one more: the one silent longest goes.
        state.known.set_pair(pair, changes).is_ok() && is_request
    }

    /// A stranger wrote to a name of ours in clear, and signed it: he can be accepted, or declined. He does not listen where only
    /// the two of us know, so he does not count as heard there.
    fn asked(&self, state: &mut State, name: &Name, other: ChatKey, when: When, changes: &mut Vec<Change>) {
        let own = state.names.iter().find(|(of_own, _)| of_own == name).map(|(_, key)| *key);
        let Some(own) = own else { return };
        let known = state.known.pair(&own, &other).copied();
        let pair = known.unwrap_or(Pair::new(own, other, Relation::Request));
        let pair = Pair { asked: when.last_s(pair.asked), ..pair };
        // Of requests there is always room for one more: the one silent longest goes.
        state.known.set_pair(pair, changes).unwrap_or(());
    }

    /// Whether a message in clear is one from a stranger to the user himself.
    fn is_request(&self, state: &State, meant: Option<&Meant>, author: Option<&ChatKey>) -> bool {
        matches!(meant, Some(Meant::Name(_)))
            && !author.is_some_and(|author| state.known.is_contact(author) || state.own_key(author).is_some())
    }

    fn passwords<'s>(&self, state: &'s State, message: &NewMessage, meant: Option<&Meant>) -> Vec<&'s str> {
        let name = match meant {
            Some(Meant::Name(name)) => Some(name.text()),
            Some(_) => None,
            None => message.name.as_deref().and_then(folded),
        };
        let password = name.and_then(|name| state.joined.get(&name)).and_then(|joined| joined.password.as_ref());
        password.map(|password| password.as_str()).into_iter().collect()
    }
}

/// Who goes on as whom, if both have signed that in clear.
fn heir(state: &State, author: Option<ChatKey>, form: u8, says: &Says) -> Option<(ChatKey, ChatKey)> {
    let Says::Map(map) = says else { return None };
    let old = author.filter(|_| form == form::SIGNED)?;
    Some((old, map.hand_over()?.heir(state.network, &old)?))
}

/// Whether a seal is one for a single chat key.
const fn is_direct_form(form: u8) -> bool {
    matches!(form, form::FIRST | form::PAIR)
}

/// Whether it came to a nick or an account that is listened to.
fn is_direct(message: &NewMessage) -> bool {
    let name = message.name.as_deref().and_then(|typed| typed.parse::<TypedName>().ok());
    name.is_some_and(|name| matches!(name.name(), Name::Nick(_) | Name::Account(_)))
}

fn folded(typed: &str) -> Option<String> {
    typed.parse::<TypedName>().ok().map(|name| name.name().text())
}

/// Where a message belongs that is not under seal: to the name that is ours or listened to, else to its target.
fn conversation(message: &NewMessage, record: &Record, meant: Option<&Meant>) -> String {
    match meant {
        Some(Meant::Name(name)) => name.text(),
        _ => message.name.as_deref().and_then(folded).unwrap_or_else(|| record.target().to_string()),
    }
}

#[cfg(test)]
mod tests;
