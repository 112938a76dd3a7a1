//! `nightjar listen NAME...`: what is sent to the names, line by line as it comes. It listens by leases that it renews, so
//! that it takes nothing away from others who listen to the same names, and leaves nothing behind.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use nightjar_core::name::TypedName;
use nightjar_node::handle::PAGE_MESSAGES_MAX;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::client::{CallError, Client};
use crate::exit::{Exit, Failure};
use crate::output::{self, Paint};
use crate::signals::Signals;

/// How long the node goes on to listen for a program that was killed.
const LEASE_S: u64 = 120;
/// Two renewals may fail to come in time before the lease ends.
const RENEW_S: u64 = 40;
/// One question waits so long for a message before it is asked again.
const POLL_S: u64 = 20;
/// What one question brings at the most, so that a long history begins to be shown at once.
const PAGE_MESSAGES: u64 = 200;
/// Conversations up to which people are heard as the keys that they go on as: what others say does not make the list grow for ever.
const CONVERSATIONS_MAX: usize = 1_024;
/// Leases that are not given back in this time end by themselves.
const RELEASE_MS_MAX: u64 = 2_000;

const HELP: &str = "\
NAME is a channel (#pascalcoin), a nick (nightraven or @nightraven) or an account (1234 or 1234-44).
Quote a channel, because # begins a comment in a shell.
Each line has the time when it was said (UTC), the name, who wrote it, and behind a colon the text. A nick stands beside the account
when the chain confirms that, else beside the first digits of the chat key; (unsigned) may be anybody. Data that is
no text is shown in hex; characters that could change the terminal, or hide, are shown as escapes like \\u{202e}.
With --json each line is a message as `getmessages` gives it.

Examples:
  nightjar listen '#pascalcoin' nightraven
  nightjar listen '#pascalcoin' --since 0        what the log has, then what comes
  nightjar listen 1234-44 --json | jq .text";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Channels, nicks and accounts to listen to
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    /// Print JSON, a message a line
    #[arg(long)]
    json: bool,

    /// Begin behind this place in the node's log; 0 = with all it has [default: now]
    #[arg(long, value_name = "SEQ", allow_negative_numbers = true)]
    since: Option<u64>,
}

impl Args {
    /// The names, if all of them are names.
    pub(super) fn names(&self) -> Result<Vec<TypedName>, Failure> {
        self.names.iter().map(|name| name.parse().map_err(Failure::usage)).collect()
    }
}

/// What the node says to `listen`.
#[derive(Debug, Deserialize)]
struct Listening {
    targets: Vec<String>,
    lease: u64,
}

/// The part of a page that is needed; messages go through as they are.
#[derive(Debug, Deserialize)]
struct Page {
    messages: Vec<Value>,
    next: u64,
    first: u64,
}

/// The part of a message that a person reads.
#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    target: Option<String>,
    /// The address of a wallet, whose texts have no target.
    #[serde(default)]
    bridge: Option<String>,
    #[serde(default)]
    conversation: Option<String>,
    payload: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    heir: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    nick: Option<String>,
    #[serde(default)]
    looks_like: Option<String>,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    state_now: Option<String>,
    #[serde(default)]
    sealed: Option<String>,
    #[serde(default)]
    request: bool,
    #[serde(default)]
    own: bool,
    #[serde(default)]
    delivery: Option<String>,
    #[serde(default)]
    delivery_peers: u64,
    #[serde(default)]
    late: bool,
    #[serde(default)]
    unreadable: Option<String>,
    /// When it was said, as far as that can be.
    shown: u64,
}

/// The part of an identity that says how it is written to.
#[derive(Debug, Deserialize)]
struct Identities {
    identities: Vec<Identity>,
}

#[derive(Debug, Deserialize)]
struct Identity {
    key: String,
    nick: Option<String>,
    accounts: Vec<Account>,
}

#[derive(Debug, Deserialize)]
struct Account {
    account: String,
}

/// The part of what is known of somebody that says where his messages are.
#[derive(Debug, Deserialize)]
struct Known {
    key: String,
}

/// The part of the status that says where the log ends.
#[derive(Debug, Deserialize)]
struct End {
    seq: u64,
}

/// A name that the node listens to for us.
#[derive(Debug)]
struct Lease {
    name: String,
    number: Cell<u64>,
}

/// What the loops share.
struct Ear {
    client: Client,
    leases: Vec<Lease>,
    targets: BTreeSet<String>,
    /// Names in the form that is hashed, and `@` with the keys of people who go by them.
    conversations: RefCell<BTreeSet<String>>,
    /// Our keys that go by one of the names: what is written to them under seal is meant as well.
    own: BTreeSet<String>,
    json: bool,
    paint: Paint,
    /// All up to this place was shown.
    since: Cell<u64>,
    /// What was said before, Unix milliseconds, is not what is listened for, if it comes only now.
    from: u64,
}

pub(super) async fn run(client: Client, args: Args, names: Vec<TypedName>) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    // Looked up before anything is listened to: what comes from then on is shown.
    let (since, from) = match args.since {
        Some(since) => (since, 0),
        None => (end_of_log(&client).await?, super::now_ms()),
    };
    let mut ear = Ear {
        client,
        leases: Vec::new(),
        targets: BTreeSet::new(),
        conversations: RefCell::default(),
        own: BTreeSet::new(),
        json: args.json,
        paint: Paint::stdout(),
        since: Cell::new(since),
        from,
    };
    let result = tokio::select! {
        result = ear.listen(names) => result,
        _ = signals.next() => Ok(()),
    };
    let result = match result {
        Ok(()) if !ear.leases.is_empty() => tokio::select! {
            result = ear.follow() => result,
            result = ear.renew() => result,
            _ = signals.next() => Ok(()),
        },
        other => other,
    };
    ear.release().await;
    result
}

/// The place of the newest message.
async fn end_of_log(client: &Client) -> Result<u64, Failure> {
    let End { seq } = super::understood("nodestatus", client.call("nodestatus", json!({})).await?)?;
    // The status is up to a second old: what came since then is passed over.
    let params = json!({ "since": seq, "limit": PAGE_MESSAGES_MAX });
    let page: Page = super::understood("getmessages", client.call("getmessages", params).await?)?;
    Ok(page.next)
}

impl Ear {
    async fn listen(&mut self, names: Vec<TypedName>) -> Result<(), Failure> {
        let all: Identities = super::understood("identitylist", self.client.call("identitylist", json!({})).await?)?;
        for name in names {
            let folded = name.name().text();
            let goes_by = |identity: &&Identity| {
                identity.nick.as_ref() == Some(&folded) || identity.accounts.iter().any(|it| it.account == folded)
            };
            self.own.extend(all.identities.iter().filter(goes_by).map(|identity| identity.key.clone()));
            if !folded.starts_with('#') {
                let is_account = folded.starts_with(|first: char| first.is_ascii_digit());
                let who = if is_account { folded.clone() } else { format!("@{folded}") };
                let who = json!({ "who": who, "look": false });
                let people: Vec<Known> = super::understood("whois", self.client.call("whois", who).await?)?;
                self.conversations.get_mut().extend(people.into_iter().map(|known| format!("@{}", known.key)));
            }
            self.conversations.get_mut().insert(folded);
            let name = name.typed().to_owned();
            let params = json!({ "name": name, "lease_s": LEASE_S });
            let listening: Listening = super::understood("listen", self.client.call("listen", params).await?)?;
            self.targets.extend(listening.targets);
            self.leases.push(Lease { name, number: Cell::new(listening.lease) });
        }
        Ok(())
    }

    /// Shows what comes; ends only with a failure, which a closed pipe is as well.
    async fn follow(&self) -> Result<(), Failure> {
        loop {
            let since = self.since.get();
            let params = json!({ "since": since, "limit": PAGE_MESSAGES, "wait_s": POLL_S });
            let wait = Duration::from_secs(POLL_S);
            let result = self.client.call_waiting("getmessages", params, wait).await;
            let page: Page = super::understood("getmessages", result.map_err(|error| self.failure(error))?)?;
            if page.first > since.saturating_add(1) {
                output::note(&format!("nightjar: messages before seq {} are no longer kept by the node", page.first));
            }
            let heard = page.messages.into_iter().filter(|message| self.hears(message));
            let lines = lines(heard, self.json, self.paint)?;
            if !lines.is_empty() {
                // On a thread of its own: whoever reads may pause, and the leases must be renewed meanwhile.
                let printing = tokio::task::spawn_blocking(move || output::print(&lines));
                printing.await.map_err(|_| Failure::failed("the output was broken off"))??;
            }
            self.since.set(page.next);
        }
    }

    /// Whether a message is to one of the names, or of a conversation with somebody who goes by one.
    fn hears(&self, message: &Value) -> bool {
        // What the node has of a name that it did not listen to comes late, as soon as it does.
        let shown = message.get("shown").and_then(Value::as_u64);
        if message.get("late") == Some(&Value::Bool(true)) && shown.is_some_and(|shown| shown < self.from) {
            return false;
        }
        let member = |name: &str| message.get(name).and_then(Value::as_str);
        let conversation = member("conversation");
        let is_ours = || member("own_key").is_some_and(|key| self.own.contains(key));
        let mut conversations = self.conversations.borrow_mut();
        if let (Some(author), Some(heir)) = (member("author"), member("heir")) {
            follow(&mut conversations, author, heir);
        }
        conversation.is_some_and(|it| conversations.contains(it) || (it.starts_with('@') && is_ours()))
            || member("target").is_some_and(|it| self.targets.contains(it))
    }

    /// Renews the leases for ever.
    async fn renew(&self) -> Result<(), Failure> {
        loop {
            sleep(Duration::from_secs(RENEW_S)).await;
            for lease in &self.leases {
                let params = json!({ "name": lease.name, "lease_s": LEASE_S, "lease": lease.number.get() });
                let result = self.client.call("listen", params).await.map_err(|error| self.failure(error))?;
                lease.number.set(super::understood::<Listening>("listen", result)?.lease);
            }
        }
    }

    /// Gives the leases back. If the node does not take them they end by themselves.
    async fn release(&self) {
        let release = async {
            for lease in &self.leases {
                let params = json!({ "name": lease.name, "lease": lease.number.get() });
                if self.client.call("unlisten", params).await.is_err() {
                    return;
                }
            }
        };
        // What is not done in time is done by the leases' end.
        timeout(Duration::from_millis(RELEASE_MS_MAX), release).await.unwrap_or(());
    }

    fn failure(&self, error: CallError) -> Failure {
        match Failure::from(error) {
            failure if failure.exit() == Exit::NoNode => {
                failure.with(&format!("; `--since {}` goes on from here when it runs again", self.since.get()))
            }
            failure => failure,
        }
    }
}

/// Who is heard is heard as the key that he goes on as, too.
fn follow(conversations: &mut BTreeSet<String>, author: &str, heir: &str) {
    if conversations.len() < CONVERSATIONS_MAX && conversations.contains(&format!("@{author}")) {
        conversations.insert(format!("@{heir}"));
    }
}

/// Messages as they are printed, one a line.
pub(super) fn lines(messages: impl Iterator<Item = Value>, json: bool, paint: Paint) -> Result<String, Failure> {
    let mut lines = String::new();
    for message in messages {
        if json {
            let json = message.to_string();
            lines.push_str(&if output::at_terminal() { output::harmless_json(&json) } else { json });
        } else {
            lines.push_str(&line(&super::understood("getmessages", message)?, paint));
        }
        lines.push('\n');
    }
    Ok(lines)
}

/// A message as a person reads it. Whatever the text is, it stands behind the first colon that a blank follows: neither a
/// name, nor who wrote it, nor a mark can hold one.
fn line(message: &Message, paint: Paint) -> String {
    let time = output::date(message.shown);
    let conversation = message.conversation.as_deref().map(output::conversation);
    let bare = message.target.as_deref().or(message.bridge.as_deref()).unwrap_or_default();
    let name = message.name.as_deref().or(conversation.as_deref()).unwrap_or(bare);
    let bytes = || output::binary(&output::visible(&message.payload));
    let said = match (&message.unreadable, &message.heir, &message.text) {
        (Some(why), ..) => format!("{} {}", output::visible(why), bytes()),
        (None, Some(heir), _) => format!("goes on as ~{}", output::visible(output::short(heir))),
        (None, None, Some(text)) => output::visible(text),
        (None, None, None) => bytes(),
    };
    let (who, marks) = (output::visible(&who(message)), marks(message));
    let marks = if marks.is_empty() { marks } else { format!(" {}", paint.dim(&output::visible(&marks))) };
    format!("{}  {}  {}{marks}: {said}", paint.dim(&time), paint.name(&output::visible(name)), paint.bold(&who))
}

/// Who wrote it: never a nick alone, which anybody may take, and never nothing.
fn who(message: &Message) -> String {
    let you = if message.own { " (you)" } else { "" };
    let Some(key) = message.author.as_deref() else { return format!("(unsigned){you}") };
    let short = output::short(key);
    let nick = message.nick.as_deref().unwrap_or("");
    let state = message.state.as_deref().unwrap_or_default();
    let now = message.state_now.as_deref().map(|now| format!(", now {now}")).unwrap_or_default();
    let who = match (state, message.account.as_deref()) {
        ("proven", Some(account)) if now.is_empty() => format!("{nick} {account}").trim_start().to_owned(),
        (state, Some(account)) => format!("{nick}~{short} ({account} {state}{now})"),
        // Of a key that claims no account there is nothing to say beside it.
        (_, None) => format!("{nick}~{short}"),
    };
    format!("{who}{you}")
}

/// What else is to be known before the text is read.
fn marks(message: &Message) -> String {
    let kind = match message.kind.as_deref() {
        Some("text" | "data") => None,
        Some("handover") => Some("hand-over"),
        kind => kind,
    };
    let sealed = match message.sealed.as_deref() {
        Some("channel" | "chatkey") => Some("sealed"),
        Some("dest" | "aes") => Some("sealed, not authenticated"),
        _ => None,
    };
    let request = message.request.then_some("stranger");
    let unreadable = message.unreadable.as_ref().map(|_| "unreadable");
    let alike = message.looks_like.as_deref().map(|nick| format!("looks like {nick}, is another"));
    let late = message.late.then_some("late");
    // Where an own message is on its way changes while one reads: what it came to is told.
    let delivery = match message.delivery.as_deref() {
        Some("held") => Some(format!("held by {}", message.delivery_peers)),
        Some("acknowledged") => Some("acknowledged".to_owned()),
        Some("failed") => Some("not sent".to_owned()),
        _ => None,
    };
    let marks = [delivery.as_deref(), late, sealed, request, unreadable, alike.as_deref(), kind].into_iter().flatten();
    marks.map(|mark| format!("[{mark}]")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn shown(message: Value) -> String {
        line(&serde_json::from_value(message).unwrap(), Paint::stdout())
    }

    #[test]
    fn a_line_has_time_name_and_text_that_is_harmless() {
        let message = json!({
            "seq": 1, "msgid": "00", "target": "aa", "name": "#demo", "payload": "00", "dated": true, "own": false,
            "text": "hello\u{1b}[2J\nx", "received": 9, "shown": 0
        });
        assert_eq!(shown(message), "1970-01-01T00:00:00Z  #demo  (unsigned): hello\\u{1b}[2J\\nx");
    }

    #[test]
    fn data_is_shown_in_hex_and_a_bare_target_by_its_digits() {
        let message = json!({ "seq": 1, "target": "aa", "name": null, "payload": "00ff", "received": 9, "shown": 0 });
        assert_eq!(shown(message), "1970-01-01T00:00:00Z  aa  (unsigned): [2 bytes] 00ff");
        let message = json!({
            "seq": 1, "target": "aa", "name": "#a", "payload": "61", "coding": 1, "received": 9, "shown": 0, "unreadable": "it is\u{7} so"
        });
        assert_eq!(shown(message), "1970-01-01T00:00:00Z  #a  (unsigned) [unreadable]: it is\\u{7} so [1 byte] 61");
    }

    #[test]
    fn a_text_of_a_wallet_stands_beside_its_address() {
        let message = json!({ "seq": 1, "bridge": "192.0.2.7:4004", "payload": "61", "text": "a", "received": 9, "shown": 0, "own": true });
        assert_eq!(shown(message), "1970-01-01T00:00:00Z  192.0.2.7:4004  (unsigned) (you): a");
    }

    #[test]
    fn a_nick_never_stands_alone_and_a_proof_shows_the_account() {
        let by = |more: Value| {
            let mut message = json!({
                "target": "aa", "name": "#a", "payload": "61", "text": "a", "received": 9, "shown": 0, "author": "0123456789abcdef",
                "nick": "raven", "state": "claimed", "sealed": "none",
            });
            message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            shown(message).strip_prefix("1970-01-01T00:00:00Z  ").unwrap().to_owned()
        };
        assert_eq!(by(json!({})), "#a  raven~0123456789ab: a");
        assert_eq!(by(json!({ "nick": null })), "#a  ~0123456789ab: a");
        let proven = json!({ "state": "proven", "account": "1234-44" });
        assert_eq!(by(proven), "#a  raven 1234-44: a");
        let sold = json!({ "state": "proven", "account": "1234-44", "state_now": "lapsed" });
        assert_eq!(by(sold), "#a  raven~0123456789ab (1234-44 proven, now lapsed): a");
        let direct = json!({ "name": null, "conversation": "@0123456789abcdef", "sealed": "chatkey", "request": true });
        assert_eq!(by(direct), "@0123456789ab  raven~0123456789ab [sealed] [stranger]: a");
        let wallet = json!({ "author": null, "sealed": "dest", "kind": "text" });
        assert_eq!(by(wallet), "#a  (unsigned) [sealed, not authenticated]: a");
        let held = json!({ "own": true, "delivery": "held", "delivery_peers": 3 });
        assert_eq!(by(held), "#a  raven~0123456789ab (you) [held by 3]: a");
        for (delivery, mark) in [("acknowledged", " [acknowledged]"), ("failed", " [not sent]"), ("sent", "")] {
            let own = json!({ "own": true, "delivery": delivery });
            assert_eq!(by(own), format!("#a  raven~0123456789ab (you){mark}: a"));
        }
        assert_eq!(by(json!({ "late": true })), "#a  raven~0123456789ab [late]: a");
        assert_eq!(by(json!({ "kind": "action" })), "#a  raven~0123456789ab [action]: a");
        let other = "#a  raven~0123456789ab [looks like raven, is another]: a";
        assert_eq!(by(json!({ "looks_like": "raven" })), other);
        assert_eq!(by(json!({ "own": true })), "#a  raven~0123456789ab (you): a");
    }

    #[test]
    fn who_goes_on_as_another_is_shown_by_the_keys_whatever_text_stands_beside() {
        let message = json!({
            "target": "aa", "name": "raven", "payload": "61", "text": "a", "received": 9, "shown": 0, "kind": "handover", "state": "claimed",
            "author": "0123456789abcdef", "nick": "raven", "heir": "fedcba9876543210"
        });
        let line = "1970-01-01T00:00:00Z  raven  raven~0123456789ab [hand-over]: goes on as ~fedcba987654";
        assert_eq!(shown(message), line);
    }

    #[test]
    fn who_is_heard_is_heard_as_the_key_that_he_goes_on_as_and_nobody_else_is_and_not_without_end() {
        let mut heard = BTreeSet::from(["raven".to_owned(), "@a".to_owned()]);
        for (old, heir) in [("x", "y"), ("a", "b"), ("b", "c")] {
            follow(&mut heard, old, heir);
        }
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["@a", "@b", "@c", "raven"]);
        (0..2 * CONVERSATIONS_MAX).for_each(|number| follow(&mut heard, "a", &number.to_string()));
        assert_eq!(heard.len(), CONVERSATIONS_MAX);
    }

    #[test]
    fn no_text_looks_like_a_line_that_somebody_signed() {
        let message = json!({
            "target": "aa", "name": "#a:b", "payload": "00", "received": 9, "shown": 0,
            "text": "raven 1234-44 [sealed]: I said so"
        });
        assert_eq!(shown(message), "1970-01-01T00:00:00Z  #a:b  (unsigned): raven 1234-44 [sealed]: I said so");
    }

    #[test]
    fn a_lease_outlives_two_renewals_that_come_late() {
        const { assert!(RENEW_S * 3 <= LEASE_S && POLL_S < RENEW_S) }
        const { assert!(LEASE_S <= nightjar_node::handle::LEASE_S_MAX as u64) }
    }
}
