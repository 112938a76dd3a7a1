//! Whole nodes with a gateway each, and a small client of IRC that waits for conditions.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests, each of which uses a part"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use nightjar_core::address::{Address, LinkKind};
use nightjar_envelope::key::ChatKey;
use nightjar_front::irc::{IrcConfig, serve};
use nightjar_node::clock::Clock;
use nightjar_node::config::Checked;
use nightjar_node::data_dir::DataDir;
use nightjar_node::engine::Node;
use nightjar_node::handle::Handle;
use nightjar_node::message::{Filter, Message};
use nightjar_node::post::{Addressee, Letter, Sent, Who, Work};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How long a test waits for a condition before it says that it does not come.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// What the gateways of the tests call themselves.
pub const SERVER: &str = "nightjar.irc";
/// Capabilities of a client that knows all that is about messages.
pub const RICH: &str = "message-tags server-time echo-message batch labeled-response account-tag draft/multiline \
                        standard-replies extended-join away-notify setname";

/// A node with its gateway, on a data directory of its own.
pub struct Gateway {
    pub node: Node,
    pub clock: Clock,
    pub data: DataDir,
    pub temp: TempDir,
    pub address: SocketAddr,
    pub token: String,
    pub token_file: PathBuf,
    stop: watch::Sender<()>,
    serving: JoinHandle<()>,
}

impl Gateway {
    pub async fn start(connect: &[Address]) -> Self {
        Self::start_with(connect, |_| {}).await
    }

    pub async fn start_with(connect: &[Address], change: impl FnOnce(&mut IrcConfig)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), connect, change).await
    }

    /// Starts one whose clock is ahead by so much.
    pub async fn start_ahead(connect: &[Address], ahead_ms: i64) -> Self {
        let clock = Clock::system();
        clock.step(ahead_ms);
        Self::start_by(clock, tempfile::tempdir().unwrap(), connect, |_| {}).await
    }

    /// Starts one on what an earlier one left.
    pub async fn start_in(temp: TempDir, connect: &[Address], change: impl FnOnce(&mut IrcConfig)) -> Self {
        Self::start_by(Clock::system(), temp, connect, change).await
    }

    async fn start_by(clock: Clock, temp: TempDir, connect: &[Address], change: impl FnOnce(&mut IrcConfig)) -> Self {
        let path = temp.path().join("data");
        let data = DataDir::open(&path).unwrap();
        let own = "127.0.0.1:0".parse().unwrap();
        let config = Checked {
            listen: own,
            http: own,
            irc: None,
            discovery: false,
            seen_bytes: 1 << 20,
            connect: connect.to_vec(),
            ..Checked::defaults(&path)
        };
        let node = Node::start(&config, &data, clock.clone()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (token, token_file) = (data.token().unwrap(), data.token_file());
        let (stop, stopped) = watch::channel(());
        let mut config =
            IrcConfig { name: SERVER.to_owned(), presence: true, token: token.clone(), token_file: token_file.clone() };
        change(&mut config);
        let serving = tokio::spawn(serve(node.handle().clone(), listener, config, stopped));
        Self { node, clock, data, temp, address, token, token_file, stop, serving }
    }

    pub fn handle(&self) -> &Handle {
        self.node.handle()
    }

    pub fn tls(&self) -> Address {
        let listen = self.handle().about().listen;
        Address::new(LinkKind::Tls, listen.ip(), listen.port())
    }

    /// Makes an identity of this nick; the first one is the default.
    pub async fn identity(&self, nick: &str) -> ChatKey {
        let post = self.handle().post();
        let (nick, now) = (nick.to_owned(), self.clock.wall());
        let made = post.identities().off_the_tasks(move |all| all.new_identity(Some(&nick), now)).await.unwrap();
        post.refresh_own();
        made.key
    }

    /// A client that knows nothing but RFC 1459, let in and greeted.
    pub async fn plain(&self, nick: &str) -> Client {
        self.client(nick, "").await
    }

    /// A client that knows what clients of today know.
    pub async fn rich(&self, nick: &str) -> Client {
        self.client(nick, RICH).await
    }

    /// A client that asks for these capabilities, let in and greeted.
    pub async fn client(&self, nick: &str, caps: &str) -> Client {
        Client::enter(self.address, nick, caps).await
    }

    /// Waits until so many links are open.
    pub async fn linked(&self, count: usize) {
        let mut status = self.handle().watch_status();
        let waited = timeout(PATIENCE, status.wait_for(|status| status.connections.len() == count)).await;
        assert!(waited.is_ok(), "the links do not come: {:?}", self.handle().status());
    }

    /// Says something by another way in than IRC.
    pub async fn say(&self, name: &str, text: &str) -> Sent {
        self.send(Letter::text(Addressee::Name(name.parse().unwrap()), text)).await
    }

    pub async fn send(&self, letter: Letter) -> Sent {
        self.handle().send(letter, Work::Never).await.unwrap()
    }

    /// Waits until the log has so many messages.
    pub async fn messages(&self, count: usize) -> Vec<Message> {
        let (mut all, mut since) = (Vec::new(), 0);
        let read = async {
            while all.len() < count {
                let page = self.handle().messages(since, 1000, &Filter::default(), PATIENCE).await.unwrap();
                since = page.next;
                all.extend(page.messages);
            }
        };
        timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{count} messages are still to come"));
        all
    }

    /// Waits until somebody of this nick was heard.
    pub async fn knows(&self, nick: &str) -> ChatKey {
        let name: nightjar_core::name::TypedName = nick.parse().unwrap();
        let who = Who::Name(name.name().clone());
        let known = async || self.handle().post().who_is(&who).first().map(|one| one.speaker.key);
        wait_for(&format!("a word of {nick}"), known).await
    }

    /// Ends the gateway, and not the node.
    pub async fn stop_serving(&mut self) {
        let (last, _) = watch::channel(());
        drop(std::mem::replace(&mut self.stop, last));
        let serving = std::mem::replace(&mut self.serving, tokio::spawn(async {}));
        timeout(PATIENCE, serving).await.expect("the gateway ends").unwrap();
    }

    /// Ends both in good order; what is left is the directory.
    pub async fn stop(self) -> TempDir {
        let Self { node, data: _held, temp, stop, serving, .. } = self;
        drop(stop);
        timeout(PATIENCE, serving).await.expect("the gateway ends").unwrap();
        timeout(PATIENCE, node.stop()).await.expect("the node ends");
        temp
    }
}

/// Two nodes that are linked.
pub async fn two() -> (Gateway, Gateway) {
    let one = Gateway::start(&[]).await;
    let other = Gateway::start(&[one.tls()]).await;
    one.linked(1).await;
    other.linked(1).await;
    (one, other)
}

/// Looks again and again until it is there.
pub async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            match look().await {
                Some(found) => return found,
                None => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("still to come: {what}"))
}

/// A line of the server, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub raw: String,
    pub tags: Vec<(String, String)>,
    pub source: String,
    pub command: String,
    pub params: Vec<String>,
}

impl Line {
    fn parse(raw: &str) -> Self {
        let mut rest = raw;
        let mut tags = Vec::new();
        if let Some(tagged) = rest.strip_prefix('@') {
            let (all, behind) = tagged.split_once(' ').unwrap_or_else(|| panic!("nothing but tags: {raw:?}"));
            rest = behind;
            for tag in all.split(';') {
                let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
                let value = value.replace("\\:", ";").replace("\\s", " ").replace("\\r", "\r").replace("\\n", "\n");
                tags.push((key.to_owned(), value.replace("\\\\", "\\")));
            }
        }
        // What has no tags, or what is behind them, must fit a line of RFC 1459.
        assert!(rest.len() + 2 <= 512, "too long: {raw:?}");
        let mut source = String::new();
        if let Some(sourced) = rest.strip_prefix(':') {
            let (from, behind) = sourced.split_once(' ').unwrap_or_else(|| panic!("nothing but a source: {raw:?}"));
            source = from.to_owned();
            rest = behind;
        }
        let (head, last) = match rest.split_once(" :") {
            Some((head, last)) => (head, Some(last)),
            None => (rest, None),
        };
        let mut words = head.split(' ');
        let command = words.next().unwrap().to_owned();
        let params: Vec<String> = words.chain(last).map(str::to_owned).collect();
        assert!(!command.is_empty() && params.len() <= 15, "no line of IRC: {raw:?}");
        Self { raw: raw.to_owned(), tags, source, command, params }
    }

    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub fn param(&self, at: usize) -> &str {
        self.params.get(at).map_or("", String::as_str)
    }

    /// What stands last: the words.
    pub fn text(&self) -> &str {
        self.params.last().map_or("", String::as_str)
    }

    /// Who it is from.
    pub fn nick(&self) -> &str {
        self.source.split('!').next().unwrap_or_default()
    }

    pub fn is(&self, command: &str) -> bool {
        self.command == command
    }

    /// Whether somebody says this text.
    pub fn says(&self, text: &str) -> bool {
        self.is("PRIVMSG") && self.text() == text
    }
}

/// Of some lines, those of one command.
pub fn of<'l>(lines: &'l [Line], command: &str) -> Vec<&'l Line> {
    lines.iter().filter(|line| line.is(command)).collect()
}

/// The one line of this command.
pub fn the<'l>(lines: &'l [Line], command: &str) -> &'l Line {
    match of(lines, command).as_slice() {
        [line] => line,
        others => panic!("one {command} was to come, and not {}: {lines:#?}", others.len()),
    }
}

/// The texts that are said in some lines, with who says them.
pub fn talk(lines: &[Line]) -> Vec<(String, String)> {
    of(lines, "PRIVMSG").iter().map(|line| (line.nick().to_owned(), line.text().to_owned())).collect()
}

/// The text of a batch `draft/multiline`, as a client puts it together.
pub fn whole(lines: &[Line]) -> (Line, String) {
    let begin = lines.iter().find(|line| line.is("BATCH") && line.param(1) == "draft/multiline");
    let begin = begin.unwrap_or_else(|| panic!("no batch: {lines:#?}"));
    let name = begin.param(0).trim_start_matches('+');
    let mut text = String::new();
    for (at, line) in lines.iter().filter(|line| line.tag("batch") == Some(name)).enumerate() {
        if at > 0 && line.tag("draft/multiline-concat").is_none() {
            text.push('\n');
        }
        text.push_str(line.text());
    }
    (begin.clone(), text)
}

/// A client of IRC.
pub struct Client {
    stream: TcpStream,
    held: Vec<u8>,
    taken: usize,
    pings: u64,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::of(stream)
    }

    pub fn of(stream: TcpStream) -> Self {
        Self { stream, held: Vec::new(), taken: 0, pings: 0 }
    }

    /// Registers, and hears all that a client is greeted with.
    pub async fn enter(address: SocketAddr, nick: &str, caps: &str) -> Self {
        let mut client = Self::connect(address).await;
        client.register(nick, caps).await;
        client
    }

    pub async fn register(&mut self, nick: &str, caps: &str) -> Vec<Line> {
        if !caps.is_empty() {
            self.send("CAP LS 302").await;
            self.send(&format!("CAP REQ :{caps}")).await;
        }
        self.send(&format!("NICK {nick}\r\nUSER {nick} 0 * :the client {nick}")).await;
        if !caps.is_empty() {
            self.send("CAP END").await;
        }
        let mut lines = self.until("the welcome", |line| line.is("001")).await;
        lines.extend(self.sync().await);
        lines
    }

    pub async fn send(&mut self, line: &str) {
        self.send_bytes(format!("{line}\r\n").as_bytes()).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("the gateway reads").unwrap();
    }

    /// The next line; `None` when the connection has ended.
    pub async fn line(&mut self) -> Option<Line> {
        self.line_within(PATIENCE).await
    }

    pub async fn line_within(&mut self, patience: Duration) -> Option<Line> {
        loop {
            if let Some(end) = self.held[self.taken..].windows(2).position(|bytes| bytes == b"\r\n") {
                let raw = &self.held[self.taken..self.taken + end];
                let raw = str::from_utf8(raw).unwrap_or_else(|_| panic!("not UTF-8: {raw:?}"));
                let is_one = !raw.contains(['\r', '\n', '\0']);
                assert!(is_one, "more than a line: {raw:?}");
                let line = Line::parse(raw);
                self.taken += end + 2;
                return Some(line);
            }
            self.held.drain(..self.taken);
            self.taken = 0;
            let read = timeout(patience, self.stream.read_buf(&mut self.held)).await;
            match read.expect("a line, or the end, is still to come") {
                Ok(0) | Err(_) => {
                    assert!(self.held.is_empty(), "a half line: {:?}", String::from_utf8_lossy(&self.held));
                    return None;
                }
                Ok(_) => {}
            }
        }
    }

    /// All lines until one fits, that one too.
    pub async fn until(&mut self, what: &str, mut fits: impl FnMut(&Line) -> bool) -> Vec<Line> {
        self.until_within(PATIENCE, what, &mut fits).await
    }

    pub async fn until_within(
        &mut self,
        patience: Duration,
        what: &str,
        mut fits: impl FnMut(&Line) -> bool,
    ) -> Vec<Line> {
        let mut lines = Vec::new();
        let heard = timeout(patience, async {
            while let Some(line) = self.line_within(patience).await {
                if line.is("PING") {
                    self.send(&format!("PONG :{}", line.text())).await;
                }
                let is_it = fits(&line);
                lines.push(line);
                if is_it {
                    return true;
                }
            }
            false
        });
        let heard = heard.await;
        match heard {
            Ok(true) => lines,
            Ok(false) => panic!("{what} was to come, and the connection ended: {lines:#?}"),
            Err(_) => panic!("still to come: {what}: {lines:#?}"),
        }
    }

    /// The first line that fits; those before it are dropped.
    pub async fn first(&mut self, what: &str, fits: impl FnMut(&Line) -> bool) -> Line {
        self.until(what, fits).await.pop().unwrap()
    }

    /// Waits until this is said, by whomever and wherever.
    pub async fn hears(&mut self, text: &str) -> Line {
        self.first(text, |line| line.text() == text && (line.is("PRIVMSG") || line.is("NOTICE"))).await
    }

    /// All lines up to the answer to a PING.
    pub async fn sync(&mut self) -> Vec<Line> {
        self.pings += 1;
        let token = format!("sync{}", self.pings);
        self.send(&format!("PING {token}")).await;
        let mut lines = self.until("the PONG", |line| line.is("PONG") && line.text() == token).await;
        lines.pop();
        lines
    }

    /// Says a line, and gives all up to the answer to a PING behind it.
    pub async fn ask(&mut self, line: &str) -> Vec<Line> {
        self.send(line).await;
        self.sync().await
    }

    /// All lines to the end of the connection.
    pub async fn rest(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await {
            lines.push(line);
        }
        lines
    }

    /// Says nothing more, and reads on.
    pub async fn close_own_side(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Whether nothing at all comes before the connection ends.
    pub async fn is_hung_up_on(&mut self) -> bool {
        self.rest().await.is_empty()
    }
}
