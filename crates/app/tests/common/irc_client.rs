//! Drives a real IRC client in a terminal that nobody sees (tmux), as a person would: types lines, reads the screen.
//!
//! A client knows one server, has a home of its own and never sees the settings of whoever runs the test. What it makes of
//! what is said to it is known by its screen alone.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, dead_code, reason = "helpers of tests")]

use std::fs;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::{PATIENCE, until};

/// The screen: so wide that a line of chat is not broken, so high that what was said stays in sight.
const COLUMNS: &str = "200";
const ROWS: &str = "50";
/// An IRC line is shorter by far, and tmux takes no command of more than 16 KiB.
const TYPED_BYTES_MAX: usize = 4096;
/// How often the screen is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Set to anything, it makes a test fail that would be skipped because a program is missing.
const NO_SKIP: &str = "NIGHTJAR_TEST_NO_SKIP";
/// What both clients call the server; their windows bear it in their names.
const NETWORK: &str = "nightjar";
/// The socket by which tmux is commanded, in the home of the client.
const SOCKET: &str = "terminal";

/// Whether the programs are there that a test needs. Where one is not, the test is skipped, and says why.
pub fn installed(test: &str, programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    let is_there = |program: &&str| std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    let Some(missing) = ["tmux"].iter().chain(programs).find(|program| !is_there(program)) else { return true };
    assert!(std::env::var_os(NO_SKIP).is_none(), "{missing} is not installed, and {NO_SKIP} is set");
    // Not by a macro, whose words a test that passes keeps to itself.
    stderr().write_all(format!("{test} is skipped: {missing} is not installed\n").as_bytes()).unwrap();
    false
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Irssi,
    Weechat,
}

/// A chat client on a terminal of its own, which is ended when it is dropped.
pub struct Client {
    kind: Kind,
    home: PathBuf,
    command: Vec<String>,
    pid: String,
}

impl Client {
    /// Starts irssi, which connects at once, in a directory of its own that it makes.
    pub fn irssi(home: &Path, server: &str, nick: &str) -> Self {
        let home = made(home);
        fs::write(home.join("config"), irssi_config(server, nick)).unwrap();
        let command = ["irssi".to_owned(), format!("--home={}", home.display())];
        Self::start(Kind::Irssi, home, command.to_vec())
    }

    /// Starts WeeChat, which connects at once and asks for every capability that it knows, in a directory of its own that it makes.
    pub fn weechat(home: &Path, server: &str, nick: &str) -> Self {
        let home = made(home);
        fs::write(home.join("weechat.conf"), WEECHAT_CONF).unwrap();
        fs::write(home.join("irc.conf"), weechat_irc_conf(server, nick)).unwrap();
        let command = ["weechat".to_owned(), "-d".to_owned(), home.display().to_string()];
        Self::start(Kind::Weechat, home, command.to_vec())
    }

    fn start(kind: Kind, home: PathBuf, command: Vec<String>) -> Self {
        fs::write(home.join("tmux.conf"), tmux_conf()).unwrap();
        let mut client = Self { kind, home, command, pid: String::new() };
        client.come();
        client
    }

    /// Starts it once more after [`Client::quit`]: it connects at once, as before.
    pub fn come(&mut self) {
        let mut args = vec!["new-session", "-d", "-x", COLUMNS, "-y", ROWS, "-P", "-F", "#{pane_pid}", "--"];
        // Several words are run as they are, without a shell, so the pid is the client's own.
        args.extend(self.command.iter().map(String::as_str));
        self.pid = self.tmux(&args).trim().to_owned();
        // What is typed before the client reads it would be lost when it sets up its terminal. A question, such as irssi's about
        // settings that its version does not know, never becomes this screen, and would swallow it too.
        self.until_screen("the client has drawn its screen", |screen| match self.kind {
            Kind::Irssi => screen.lines().last() == Some("[(status)]"),
            Kind::Weechat => screen.contains(&format!("[irc/{NETWORK}]")),
        });
        // Until it is greeted it refuses commands.
        self.show_server();
        self.until_shows("End of MOTD");
    }

    /// Lets it leave as a person does, and waits for its end.
    pub fn quit(&self) {
        self.type_line("/quit");
        until("the client has ended", || !self.lives());
        self.close();
    }

    /// Types a line and the enter key. A line that begins with `/` is a command to the client.
    pub fn type_line(&self, line: &str) {
        assert!(line.len() <= TYPED_BYTES_MAX, "{} bytes are too many to type", line.len());
        assert!(!line.contains(char::is_control), "{line:?} has keys that do not type text");
        // A semicolon at the end ends tmux's own command, where no backslash is before it.
        let safe = line.strip_suffix(';').map_or_else(|| line.to_owned(), |start| format!("{start}\\;"));
        self.tmux(&["send-keys", "-l", "--", &safe]);
        self.tmux(&["send-keys", "Enter"]);
    }

    /// Joins a channel, whose window both clients bring to the front themselves. What was typed meanwhile would stay in the one before.
    pub fn join(&self, channel: &str) {
        self.type_line(&format!("/join {channel}"));
        self.until_in_front(channel);
    }

    /// Brings the window of a channel or of a talk of two to the front, and waits until it is there.
    pub fn show(&self, name: &str) {
        match self.kind {
            Kind::Irssi => self.type_line(&format!("/window goto {name}")),
            Kind::Weechat => self.type_line(&format!("/buffer irc.{NETWORK}.{name}")),
        }
        self.until_in_front(name);
    }

    fn until_in_front(&self, name: &str) {
        let mark = match self.kind {
            Kind::Irssi => format!(":{NETWORK}/{name}"),
            Kind::Weechat => format!(":{name}"),
        };
        // What follows the name in the bar: modes, the number of nicks, the end of the item.
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(['(', ']', '{', ' ']);
        self.until_screen(&format!("the window of {name} is in front"), |screen| {
            bars(screen).any(|bar| bar.match_indices(&mark).any(|(at, _)| bar.get(at + mark.len()..).is_some_and(ends)))
        });
    }

    /// Brings the window to the front in which the server itself speaks.
    pub fn show_server(&self) {
        let (line, mark) = match self.kind {
            Kind::Irssi => ("/window goto 1".to_owned(), format!("[1:{NETWORK}")),
            Kind::Weechat => (format!("/buffer irc.server.{NETWORK}"), format!(":server[{NETWORK}]")),
        };
        self.type_line(&line);
        self.until_screen("the window of the server is in front", |screen| bars(screen).any(|bar| bar.contains(&mark)));
    }

    /// What a person sees now, without the blanks at the ends of lines.
    pub fn screen(&self) -> String {
        let mut text = String::new();
        for line in self.tmux(&["capture-pane", "-p", "-J"]).trim_end().lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// Waits until the screen has this text, and gives the screen. The line that is being typed is on the screen too:
    /// what a client has just typed says nothing, what another says of it does.
    pub fn until_shows(&self, text: &str) -> String {
        self.until_screen(&format!("it shows {text:?}"), |screen| screen.contains(text))
    }

    /// Waits until the screen has what somebody said, behind his nick.
    pub fn until_said(&self, nick: &str, text: &str) -> String {
        match self.kind {
            // In channels a blank stands where servers that have operators show them.
            Kind::Irssi => self.until_screen(&format!("{nick} says {text:?}"), |screen| {
                screen.contains(&format!("<{nick}> {text}")) || screen.contains(&format!("< {nick}> {text}"))
            }),
            Kind::Weechat => self.until_shows(&format!("{nick} | {text}")),
        }
    }

    /// The same of what somebody does (`/me`).
    pub fn until_acts(&self, nick: &str, text: &str) -> String {
        match self.kind {
            Kind::Irssi => self.until_shows(&format!("* {nick} {text}")),
            Kind::Weechat => self.until_shows(&format!("* | {nick} {text}")),
        }
    }

    /// Waits until the screen is as wished, and gives it.
    pub fn until_screen(&self, what: &str, wished: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if wished(&screen) {
                return screen;
            }
            let kind = self.kind;
            assert!(begun.elapsed() < PATIENCE, "{kind:?}: it does not come true that {what}. The screen:\n{screen}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Whether the program in the terminal runs; it does not when the terminal is gone.
    fn lives(&self) -> bool {
        let output = self.try_tmux(&["list-panes", "-F", "#{pane_dead}"]);
        output.status.success() && output.stdout.starts_with(b"0")
    }

    /// Ends the terminal, which is the only one of this socket. It is gone already where the client has quit.
    fn close(&self) {
        self.try_tmux(&["kill-server"]);
    }

    fn tmux(&self, args: &[&str]) -> String {
        let output = self.try_tmux(args);
        assert!(output.status.success(), "tmux {args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn try_tmux(&self, args: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        // The terminal inherits what the first command has: nothing of whoever runs the test, and no hour but UTC's.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.envs([("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("TERM", "screen-256color")]);
        command.env("HOME", &self.home).current_dir(&self.home);
        command.args(["-u", "-S", SOCKET, "-f", "tmux.conf"]).args(args);
        command.stdin(Stdio::null()).output().unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // First the client by its pid, while tmux is there to collect it; both clients take this signal as the end.
        if self.lives() {
            Command::new("kill").args(["-HUP", &self.pid]).status().unwrap();
        }
        let begun = Instant::now();
        while self.lives() {
            if begun.elapsed() > PATIENCE {
                stderr().write_all(format!("{:?} (pid {}) does not end\n", self.kind, self.pid).as_bytes()).ok();
                break;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.close();
    }
}

/// A directory by its whole path, as the client and tmux run in it.
fn made(dir: &Path) -> PathBuf {
    fs::create_dir_all(dir).unwrap();
    fs::canonicalize(dir).unwrap()
}

/// The lines at the bottom, in which the clients say where one is.
fn bars(screen: &str) -> impl Iterator<Item = &str> {
    screen.lines().rev().take(3)
}

fn irssi_config(server: &str, nick: &str) -> String {
    let (host, port) = server.rsplit_once(':').unwrap();
    format!(
        r#"
servers = ( {{ address = "{host}"; port = "{port}"; chatnet = "{NETWORK}"; tls = "no"; autoconnect = "yes"; }} );
chatnets = {{ {NETWORK} = {{ type = "IRC"; nick = "{nick}"; }}; }};
settings = {{
  core = {{ nick = "{nick}"; user_name = "tester"; real_name = "tester"; quit_on_hup = "yes"; recode = "no"; }};
  # Its own brake against floods would let a line through each 2.2 seconds.
  "irc/core" = {{ cmds_max_at_once = "10000"; cmd_queue_speed = "1msec"; }};
  "fe-common/core" = {{ beep_msg_level = "NONE"; autolog = "no"; term_charset = "UTF-8"; }};
  # What a program types looks like a paste, whose lines irssi joins, or asks about.
  "fe-text" = {{
    paste_detect_time = "0"; paste_verify_line_count = "0"; paste_use_bracketed_mode = "no";
    # Else it shows when a line arrived, not when it was said.
    show_server_time = "yes";
  }};
}};
"#
    )
}

fn weechat_irc_conf(server: &str, nick: &str) -> String {
    let server = server.replace(':', "/");
    format!(
        r#"
[look]
server_buffer = independent

[server]
{NETWORK}.addresses = "{server}"
{NETWORK}.nicks = "{nick}"
{NETWORK}.username = "tester"
{NETWORK}.realname = "tester"
{NETWORK}.capabilities = "*"
{NETWORK}.autoconnect = on
# Version 4 has other names for these, and reads them from a file that names no version.
{NETWORK}.ssl = off
# Its own brake against floods would let a line through each 2 seconds.
{NETWORK}.anti_flood_prio_high = 0
{NETWORK}.anti_flood_prio_low = 0
"#
    )
}

/// No plugin but IRC: no log, no scripts, no spelling, and no list of buffers, whose names would be on every screen.
const WEECHAT_CONF: &str = r#"
[startup]
display_logo = off
display_version = off

[look]
paste_max_lines = -1
paste_bracketed = off
bare_display_exit_on_input = off

[plugin]
autoload = "irc,alias"

[signal]
sighup = "/quit -yes"
"#;

/// What remains on the screen of a client that ended is of use to whoever reads the test's failure.
/// A test that is killed drops nothing, so the terminal looks whether its test still lives.
fn tmux_conf() -> String {
    let test = std::process::id();
    format!(
        "set -g default-terminal screen-256color
set -g status off
set -g remain-on-exit on
set -g bell-action none
set -s escape-time 0
set -s set-clipboard off
run-shell -b 'while kill -0 {test}; do sleep 2; done; kill #{{pid}}'
"
    )
}
