//! Own messages between their sending and the log, whole ids of what is answered, and how far plain clients read.

use std::collections::BTreeMap;
use std::time::Duration;

use nightjar_envelope::id::MessageId;
use nightjar_node::message::Seq;
use tokio::time::timeout;

use super::state::State;
use super::{ClientId, Hub};

/// Own messages of which it is known which client sent them: for what is told of them later.
const SENT_MAX: usize = 8_192;
/// Messages that were answered whose whole ids are kept: a talk answers its last ones again and again.
const WHOLE_IDS_MAX: usize = 1_024;
/// So long history waits for what clients said just before to be in the log: a disk's write, and some.
const UNSTORED_MAX: Duration = Duration::from_millis(500);

impl Hub {
    /// The whole id of a message, of which this is the beginning; the beginning when it is not there. A stranger can name any: what
    /// is not there costs one read by an index, each time, and takes no place here.
    pub(in crate::irc) async fn whole_id(&self, conversation: &str, id: &[u8; 8]) -> String {
        let place = (conversation.to_owned(), *id);
        if let Some(whole) = self.lock().whole_ids.get(&place) {
            return whole.to_string();
        }
        let found = self.node.find_message(std::slice::from_ref(&place.0), id).await;
        let found =
            found.inspect_err(|error| tracing::debug!(%error, "what is answered is not looked up")).ok().flatten();
        match found.and_then(|message| message.reading?.id) {
            Some(whole) => {
                self.lock().know_id(place, whole);
                whole.to_string()
            }
            None => id.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// A client sends a message: the log's copy of it is no news to the clients.
    pub(in crate::irc) fn sends(&self, client: ClientId, id: MessageId, to: &str, conversation: &str) {
        let mut state = self.lock();
        state.unstored.insert(id, conversation.to_owned());
        if state.sent.insert(id, (client, to.to_owned())).is_none() {
            state.sent_order.push_back(id);
        }
        while state.sent_order.len() > SENT_MAX
            && let Some(oldest) = state.sent_order.pop_front()
        {
            state.sent.remove(&oldest);
            state.unstored.remove(&oldest);
        }
    }

    /// A message that a client sent stands in the log, or never will.
    pub(in crate::irc) fn is_stored(&self, id: &MessageId) {
        if self.lock().unstored.remove(id).is_some() {
            self.stored.send_modify(|count| *count += 1);
        }
    }

    /// Waits until what clients said in some conversations stands in the log, so that whoever asks for it is given what he saw; but not
    /// for long, for a message may wait for a place.
    pub(in crate::irc) async fn until_stored(&self, is_meant: impl Fn(&String) -> bool) {
        let mut stored = self.stored.subscribe();
        let meant: Vec<MessageId> = {
            let state = self.lock();
            state.unstored.iter().filter(|(_, conversation)| is_meant(conversation)).map(|(id, _)| *id).collect()
        };
        let all = async {
            while meant.iter().any(|id| self.lock().unstored.contains_key(id)) && stored.changed().await.is_ok() {}
        };
        if timeout(UNSTORED_MAX, all).await.is_err() {
            tracing::debug!("an IRC client asks for what is not written down yet");
            // Whatever became of it, it is waited for once.
            let mut state = self.lock();
            meant.iter().for_each(|id| drop(state.unstored.remove(id)));
        }
    }

    /// The client that sent a message, and to whom as it was typed.
    pub(in crate::irc) fn sender(&self, id: &MessageId) -> Option<(ClientId, String)> {
        self.lock().sent.get(id).cloned()
    }

    /// A conversation was shown by a client that cannot say itself how far it was read.
    pub(in crate::irc) fn shown(&self, conversation: &str, seq: Seq) {
        let mut state = self.lock();
        match state.read.get_mut(conversation) {
            Some(read) => *read = seq.max(*read),
            None => drop(state.read.insert(conversation.to_owned(), seq)),
        }
    }

    /// What was shown so since the last time.
    pub(in crate::irc) fn take_shown(&self) -> BTreeMap<String, Seq> {
        std::mem::take(&mut self.lock().read)
    }
}

impl State {
    fn know_id(&mut self, place: (String, [u8; 8]), whole: MessageId) {
        if self.whole_ids.insert(place.clone(), whole).is_none() {
            self.whole_ids_order.push_back(place);
        }
        while self.whole_ids_order.len() > WHOLE_IDS_MAX
            && let Some(oldest) = self.whole_ids_order.pop_front()
        {
            self.whole_ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_whole_ids_that_are_kept_the_oldest_go_first() {
        let mut state = State::default();
        let place = |number: usize| ("#a".to_owned(), (number as u64).to_be_bytes());
        let whole: MessageId = "000102030405060708090a0b0c0d0e0f".parse().expect("32 digits");
        for number in 0..WHOLE_IDS_MAX + 10 {
            state.know_id(place(number), whole);
            // What is looked up twice at once takes one place.
            state.know_id(place(number), whole);
        }
        assert_eq!((state.whole_ids.len(), state.whole_ids_order.len()), (WHOLE_IDS_MAX, WHOLE_IDS_MAX));
        assert!(!state.whole_ids.contains_key(&place(9)) && state.whole_ids.contains_key(&place(10)));
    }
}
