//! Starts the real program, talks to it by command line and by HTTP, and ends what it started.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests, each of which uses a part"
)]

pub mod irc_client;
pub mod mounts;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a test waits for a condition before it says that it does not come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program, with nothing of this machine's settings.
pub fn nightjar() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nightjar"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NIGHTJAR_") {
            command.env_remove(name);
        }
    }
    command.env_remove("XDG_DATA_HOME").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// A node in a process of its own; killed when it is dropped.
pub struct Node {
    pub child: Child,
    pub ready: Value,
    pub dir: PathBuf,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Node {
    /// Starts it, and waits until it serves.
    pub fn start(dir: &Path, flags: &[&str]) -> Self {
        Self::start_with(dir, flags, Stdio::inherit())
    }

    /// The same, with its log in a file.
    pub fn start_logged(dir: &Path, flags: &[&str], log: &Path) -> Self {
        Self::start_with(dir, flags, File::create(log).unwrap().into())
    }

    fn start_with(dir: &Path, flags: &[&str], stderr: Stdio) -> Self {
        let mut child = run(dir, flags).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no ready.json but {line:?}"));
        Self { child, ready, dir: dir.to_owned(), stdout: Some(stdout) }
    }

    pub fn listen(&self) -> String {
        self.ready["listen"].as_str().unwrap().to_owned()
    }

    pub fn http(&self) -> String {
        self.ready["http"].as_str().unwrap().to_owned()
    }

    /// Where IRC clients connect to.
    pub fn irc(&self) -> String {
        self.ready["irc"].as_str().unwrap().to_owned()
    }

    /// A command that talks to this node.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = nightjar();
        command.arg("--data-dir").arg(&self.dir).args(args);
        command
    }

    /// What a command printed, which must have succeeded.
    pub fn does(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The result of a method, asked for as any program would: HTTP by hand.
    pub fn http_call(&self, method: &str, params: &Value) -> Value {
        let token = std::fs::read_to_string(self.ready["token_file"].as_str().unwrap()).unwrap();
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string();
        let http = self.http();
        let mut stream = TcpStream::connect(&http).unwrap();
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: {http}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            token.trim(),
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        let answer: Value = serde_json::from_str(body).unwrap();
        assert_eq!(answer["id"], 7, "{answer}");
        answer.get("result").unwrap_or_else(|| panic!("{method}: {answer}")).clone()
    }

    /// Waits until it has so many links over which records go.
    pub fn until_linked(&self, links: usize) {
        until("the links are open", || {
            let connections = self.http_call("getconnections", &json!({}));
            connections.as_array().unwrap().iter().filter(|link| link["carries"] == "records").count() == links
        });
    }

    /// All messages of its log.
    pub fn messages(&self) -> Vec<Value> {
        self.http_call("getmessages", &json!({ "since": 0 }))["messages"].as_array().unwrap().clone()
    }

    /// Waits until its log has so many messages.
    pub fn until_messages(&self, count: usize) -> Vec<Value> {
        until("the messages are in the log", || self.messages().len() >= count);
        self.messages()
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for its end.
    pub fn ends(mut self) -> ExitStatus {
        ends(&mut self.child)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended, as it should.
        self.child.kill().ok();
        self.child.wait().unwrap();
    }
}

/// The command that runs a node on free ports, with nothing to find peers by.
pub fn run(dir: &Path, flags: &[&str]) -> Command {
    let mut command = nightjar();
    command.arg("--data-dir").arg(dir).args(["run", "--ready-json", "--no-discovery"]);
    let free = "127.0.0.1:0";
    for (flag, value) in [("--listen", free), ("--http", free), ("--irc", free), ("--log", "warn")] {
        if !flags.contains(&flag) {
            command.args([flag, value]);
        }
    }
    command.args(flags);
    command
}

/// What became of a node that cannot start.
pub fn fails(dir: &Path, flags: &[&str]) -> Output {
    let child = run(dir, flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    output(child)
}

/// The one line that a failed command says.
pub fn complaint(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("nightjar: ")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(!text.contains("panicked") && !text.contains("this is a bug"), "{text}");
    lines[0].to_owned()
}

pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
}

/// Waits for the end of a process.
pub fn ends(child: &mut Child) -> ExitStatus {
    let mut status = None;
    until("the process has ended", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// Waits for the end of a process, and gives what it printed.
pub fn output(mut child: Child) -> Output {
    ends(&mut child);
    child.wait_with_output().unwrap()
}

/// Lines of a process as they come.
pub struct Lines(mpsc::Receiver<String>);

impl Lines {
    pub fn of(child: &mut Child) -> Self {
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    pub fn next(&self) -> String {
        self.0.recv_timeout(PATIENCE).expect("a line comes")
    }
}

/// Waits for a condition.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "it does not come true that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
