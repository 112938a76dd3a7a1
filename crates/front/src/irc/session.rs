//! One client: what was agreed with it, what it waits for, and what goes out to it. Takes lines and events, one at a time, and makes
//! lines of them; never touches the socket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nightjar_envelope::key::ChatKey;
use nightjar_node::message::Seq;
use nightjar_node::post::Ready;
use tokio::sync::mpsc;

use super::caps::{Cap, Caps};
use super::commands::{self, register::Entering, talk::Multiline};
use super::event::{Event, Fate, Outcome, Place, Said};
use super::hub::{ClientId, Hub};
use super::line::{Line, LineFault, Reply};
use super::numeric::{ERR_INPUTTOOLONG, ERR_NEEDMOREPARAMS, ERR_NOTREGISTERED, ERR_UNKNOWNCOMMAND};
use super::people::{Source, fold};
use super::{show, text};

/// Messages of one client that are written down and wait for their turn to be sent. While there is no room for what one more line may
/// send, no line is taken.
pub(super) const SENDS_MAX: usize = 64;
/// Messages that one line may send: one to each of so many.
pub(super) const TARGETS_MAX: usize = 4;
/// The longest label that is given back (IRCv3, labeled responses).
const LABEL_BYTES_MAX: usize = 64;
/// People of whom a client was told that they are written to in the open; then it is told again.
const TOLD_MAX: usize = 1_000;
/// Bytes of a text that the server says in one line.
const NOTICE_BYTES_MAX: usize = 400;

/// A message that is to be sent.
#[derive(Debug)]
pub(super) struct ToSend {
    pub(super) ready: Ready,
    /// To whom, as it was typed.
    pub(super) to: String,
    pub(super) is_person: bool,
}

/// A client, from its first line on.
pub(super) struct Session {
    pub(super) hub: Arc<Hub>,
    pub(super) caps: Caps,
    /// Until it is registered.
    pub(super) entering: Entering,
    /// Once it is registered.
    pub(super) id: Option<ClientId>,
    pub(super) events: Option<mpsc::Receiver<Event>>,
    pub(super) source: Arc<Source>,
    /// Who speaks, if it was chosen.
    pub(super) identity: Option<ChatKey>,
    pub(super) away: Option<String>,
    pub(super) invisible: bool,
    /// The channels that it is in, by their folded names; up to which seq they were played back.
    pub(super) channels: BTreeMap<String, Seq>,
    /// The same of what persons wrote.
    pub(super) played_people: Seq,
    /// Whether it is in the channel by which the node is asked and told.
    pub(super) in_control: bool,
    pub(super) multiline: Option<Multiline>,
    pub(super) sends: mpsc::Sender<ToSend>,
    pub(super) told: Told,
    replies: Vec<Reply>,
    /// What the line in hand is labelled with.
    label: Option<String>,
    batches: u64,
    out: Vec<u8>,
    end: Option<String>,
}

/// What the user of a client was told once.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// People of whom no key is known.
    in_the_open: BTreeSet<String>,
    /// Nobody is linked.
    pub(super) no_peers: bool,
    /// Notes to messages, which are the same for many.
    notes: BTreeSet<String>,
    /// A topic is not flooded.
    pub(super) topic: bool,
    /// Leaving a channel does not end that the node listens.
    pub(super) part: bool,
}

impl Told {
    /// Whether that is news.
    fn once(told: &mut BTreeSet<String>, what: &str) -> bool {
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        told.insert(what.to_owned())
    }

    pub(super) fn in_the_open(&mut self, to: &str) -> bool {
        Self::once(&mut self.in_the_open, to)
    }

    pub(super) fn note(&mut self, note: &str) -> bool {
        Self::once(&mut self.notes, note)
    }
}

impl Session {
    pub(super) fn new(hub: Arc<Hub>, sends: mpsc::Sender<ToSend>) -> Self {
        let source = Source {
            nick: "*".to_owned(),
            user: "unknown".to_owned(),
            host: "local".to_owned(),
            account: None,
            realname: String::new(),
        };
        Self {
            hub,
            caps: Caps::default(),
            entering: Entering::default(),
            id: None,
            events: None,
            source: Arc::new(source),
            identity: None,
            away: None,
            invisible: false,
            channels: BTreeMap::new(),
            played_people: 0,
            in_control: false,
            multiline: None,
            sends,
            told: Told::default(),
            replies: Vec::new(),
            label: None,
            batches: 0,
            out: Vec::new(),
            end: None,
        }
    }

    /// Whether there is room for what one more line may send.
    pub(super) fn takes_lines(&self) -> bool {
        self.sends.capacity() >= TARGETS_MAX
    }

    /// What goes out to the client.
    pub(super) const fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// The connection is to be closed when all went out, and why.
    pub(super) fn ended(&self) -> Option<&str> {
        self.end.as_deref()
    }

    /// Does what a line says.
    pub(super) async fn take(&mut self, line: Result<Line, LineFault>) {
        let line = match line {
            Ok(line) => line,
            // Whatever it is that speaks here, it is no client of IRC: what it sends next may be what somebody made it send.
            Err(fault) if !self.entering.has_spoken => {
                self.close(&fault.to_string());
                return;
            }
            Err(fault) => {
                self.line_fault(fault);
                self.write(None);
                return;
            }
        };
        let label =
            line.tag("label").filter(|label| self.caps.has(Cap::LabeledResponse) && label.len() <= LABEL_BYTES_MAX);
        self.label = label.filter(|label| !label.is_empty()).map(str::to_owned);
        if self.take_multiline(&line) {
            // What is a part of something is answered when all of it is there, or was refused.
            if self.replies.is_empty() {
                self.label = None;
            }
        } else {
            self.run(&line).await;
        }
        let label = self.label.take();
        self.write(label);
    }

    async fn run(&mut self, line: &Line) {
        let found = commands::find(&line.command);
        if self.id.is_none() && commands::register::is_http(line) {
            // A web page that tries what listens here: it gets nothing, and nothing more that it sends is looked at.
            self.end = Some("that was HTTP".to_owned());
            return;
        }
        self.entering.has_spoken |= found.is_some();
        match found {
            Some(command) if self.id.is_none() && !command.before => self.not_registered(),
            None if self.id.is_none() => self.not_registered(),
            None => self.numeric(ERR_UNKNOWNCOMMAND, &[&line.command], "there is no such command: HELP lists them"),
            Some(command) if line.params.len() < command.params_min => {
                self.numeric(ERR_NEEDMOREPARAMS, &[command.name], &format!("not enough parameters: {}", command.usage));
            }
            Some(command) => (command.run)(self, line).await,
        }
    }

    fn not_registered(&mut self) {
        self.numeric(ERR_NOTREGISTERED, &[], "say NICK and USER first");
    }

    fn line_fault(&mut self, fault: LineFault) {
        match fault {
            LineFault::TooLong => self.numeric(ERR_INPUTTOOLONG, &[], &fault.to_string()),
            // Who sends something else than UTF-8 may not know of standard replies, and is told by one all the same (IRCv3, UTF8ONLY).
            LineFault::NotUtf8 => {
                let reply = self.server_line("FAIL").param("*").param("INVALID_UTF8").text(fault.to_string());
                self.reply(reply);
            }
            LineFault::ForbiddenByte | LineFault::NoCommand => self.fail("*", "INVALID_LINE", &[], &fault.to_string()),
        }
    }

    /// A reply of the server with a number.
    pub(super) fn numeric(&mut self, code: &'static str, params: &[&str], text: &str) {
        let reply = self.numbered(code, params).text(text);
        self.reply(reply);
    }

    /// The same without a text.
    pub(super) fn numeric_bare(&mut self, code: &'static str, params: &[&str]) {
        let reply = self.numbered(code, params);
        self.reply(reply);
    }

    fn numbered(&self, code: &'static str, params: &[&str]) -> Reply {
        let reply = Reply::new(code).from(self.hub.name()).param(&*self.source.nick);
        params.iter().fold(reply, |reply, param| reply.param(*param))
    }

    /// A line of the server.
    pub(super) fn server_line(&self, command: &'static str) -> Reply {
        Reply::new(command).from(self.hub.name())
    }

    /// A line that says what the client itself does.
    pub(super) fn own_line(&self, command: &'static str) -> Reply {
        self.stamped(Reply::new(command).from(self.source.mask()), self.hub.now_ms())
    }

    /// Says when, to clients that want to know.
    pub(super) fn stamped(&self, reply: Reply, time_ms: u64) -> Reply {
        // A clock that was set back must not make things happen in the future.
        let time_ms = time_ms.min(self.hub.now_ms());
        if self.caps.has(Cap::ServerTime) { reply.tag("time", text::time_tag(time_ms)) } else { reply }
    }

    /// Something could not be done, as IRCv3's standard replies have it; as a notice to clients that do not know them.
    pub(super) fn fail(&mut self, command: &str, code: &'static str, context: &[&str], why: &str) {
        self.standard("FAIL", command, code, context, why);
    }

    /// Something was done, but not as it may be thought.
    pub(super) fn warn(&mut self, command: &str, code: &'static str, context: &[&str], why: &str) {
        self.standard("WARN", command, code, context, why);
    }

    fn standard(&mut self, kind: &'static str, command: &str, code: &'static str, context: &[&str], why: &str) {
        // Whoever knows these commands knows standard replies: their specifications speak of them.
        let is_newer = matches!(command, "BATCH" | "CHATHISTORY" | "MARKREAD" | "SETNAME");
        if is_newer || self.caps.has(Cap::StandardReplies) {
            let reply = self.server_line(kind).param(command).param(code);
            let reply = context.iter().fold(reply, |reply, param| reply.param(*param)).text(why);
            self.reply(reply);
        } else {
            let about: Vec<&str> = context.iter().copied().chain([why]).collect();
            self.notice(&about.join(": "));
        }
    }

    /// The server says something to the user.
    pub(super) fn notice(&mut self, what: &str) {
        for line in text::lines(what, NOTICE_BYTES_MAX) {
            let reply = self.server_line("NOTICE").param(&*self.source.nick).text(line);
            let reply = self.stamped(reply, self.hub.now_ms());
            self.reply(reply);
        }
    }

    /// The label of the line in hand, which is answered later.
    pub(super) const fn take_label(&mut self) -> Option<String> {
        self.label.take()
    }

    /// The answer to the line in hand is that to an earlier one.
    pub(super) fn set_label(&mut self, label: Option<String>) {
        self.label = label;
    }

    /// One more line for the client.
    pub(super) fn reply(&mut self, reply: Reply) {
        self.replies.push(reply);
    }

    /// A name for a batch.
    pub(super) fn batch_name(&mut self) -> String {
        self.batches += 1;
        format!("b{}", self.batches)
    }

    /// Ends the connection when what was said went out.
    pub(super) fn close(&mut self, why: &str) {
        let reply = Reply::new("ERROR").text(format!("Closing link: {why}"));
        self.reply(reply);
        self.write(None);
        self.end = Some(why.to_owned());
    }

    /// All that was said in answer to one line, or to nothing, goes out.
    pub(super) fn write(&mut self, label: Option<String>) {
        let mut replies = std::mem::take(&mut self.replies);
        if let Some(label) = label {
            self.label(&mut replies, label);
        }
        replies.iter().for_each(|reply| reply.write(&mut self.out));
        replies.clear();
        self.replies = replies;
    }

    /// Says which line is answered (IRCv3, labeled responses).
    fn label(&mut self, replies: &mut Vec<Reply>, label: String) {
        let begins = replies.first().filter(|first| first.command == "BATCH").and_then(|first| first.params.first());
        let ends = replies.last().filter(|last| last.command == "BATCH").and_then(|last| last.params.first());
        let is_batch = replies.len() > 1
            && begins
                .and_then(|name| name.strip_prefix('+'))
                .is_some_and(|name| ends.and_then(|end| end.strip_prefix('-')) == Some(name));
        if replies.is_empty() {
            replies.push(self.server_line("ACK").tag("label", label));
        } else if replies.len() == 1 || is_batch {
            if let Some(first) = replies.first_mut() {
                first.tags.push(("label".into(), label));
            }
        } else {
            let name = self.batch_name();
            for reply in replies.iter_mut().filter(|reply| reply.tags.iter().all(|(key, _)| key != "batch")) {
                reply.tags.push(("batch".into(), name.clone()));
            }
            let begin =
                self.server_line("BATCH").tag("label", label).param(format!("+{name}")).param("labeled-response");
            replies.insert(0, begin);
            replies.push(self.server_line("BATCH").param(format!("-{name}")));
        }
    }
}

impl Session {
    /// Whether a message was among those that were played back on joining.
    pub(super) fn was_played_back(&self, said: &Said) -> bool {
        let played = match &said.place {
            Place::Channel(folded) => self.channels.get(folded).copied(),
            Place::Person | Place::To(_) => Some(self.played_people),
        };
        said.seq.is_some_and(|seq| played.is_some_and(|played| seq <= played))
    }

    /// A message was shown: it is read, unless the client says that itself or its user is away.
    pub(super) fn has_shown(&self, said: &Said) {
        if let Some(seq) = said.seq {
            self.has_shown_up_to(&said.conversation, seq);
        }
    }

    /// The same of all that stands in a conversation up to there.
    pub(super) fn has_shown_up_to(&self, conversation: &str, seq: Seq) {
        if !self.caps.has(Cap::ReadMarker) && self.away.is_none() {
            self.hub.shown(conversation, seq);
        }
    }

    /// What became of a message of this client.
    pub(super) fn tell_fate(&mut self, Fate { to, what }: &Fate) {
        match what {
            Outcome::Failed(why) => self.fail("PRIVMSG", "CANNOT_SEND", &[to], why),
            Outcome::Sent { peers, in_the_open, note } => {
                if *peers == 0 {
                    if !std::mem::replace(&mut self.told.no_peers, true) {
                        let text =
                            "no peer is linked: what you say waits in the outbox until there is one, and is sent then";
                        self.warn("PRIVMSG", "NO_PEERS", &[to], text);
                    }
                } else {
                    self.told.no_peers = false;
                }
                let whom = fold(to);
                let in_the_open = *in_the_open && self.told.in_the_open(&whom);
                match note.as_ref().filter(|note| self.told.note(&format!("{whom}: {note}"))) {
                    Some(note) => self.warn("PRIVMSG", "NOTE", &[to], note),
                    None if in_the_open => {
                        let text = format!("no chat key of {to} is known here: everybody can read what you write");
                        self.warn("PRIVMSG", "NOT_SEALED", &[to], &text);
                    }
                    None => {}
                }
            }
        }
    }

    /// A conversation was read elsewhere.
    pub(super) fn tell_read(&mut self, place: &Place, time_ms: u64) {
        if self.caps.has(Cap::ReadMarker) {
            let to = show::place_of(self, place);
            let reply = self.server_line("MARKREAD").param(to).param(format!("timestamp={}", text::time_tag(time_ms)));
            self.reply(reply);
        }
    }
}
