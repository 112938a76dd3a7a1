//! The second implementation, in Python, asked by lines of JSON: `sdk/python/README.md` describes them. Never judges an answer.
//!
//! A test of another crate takes it in by its path: `#[path = "../../envelope/tests/python/mod.rs"] mod python;`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a helper of tests, which is told by the environment what to run"
)]

use std::io::{BufRead as _, BufReader, Write as _, stderr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::Value as Json;

const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/python");
/// Which Python; without it, the one that is called `python3`.
const WHICH: &str = "NIGHTJAR_TEST_PYTHON";
/// Set to anything, it makes a test fail that would be skipped for want of Python.
const NO_SKIP: &str = "NIGHTJAR_TEST_NO_SKIP";

/// One process for all tests of a program. It ends with its input, and so with the program, however that ends.
static PYTHON: LazyLock<Result<Python, String>> = LazyLock::new(|| {
    let started = Python::start();
    if let (Err(why), true) = (&started, may_skip()) {
        // Not by a macro, whose words a test that passes keeps to itself.
        stderr().write_all(format!("skipped: {why}\n").as_bytes()).unwrap();
    }
    started
});

fn may_skip() -> bool {
    std::env::var_os(NO_SKIP).is_none()
}

pub struct Python {
    lines: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _process: Child,
}

impl Python {
    /// The process; `None`, after a line that says why, where this machine has none and the test may be skipped.
    pub fn running() -> Option<&'static Self> {
        match PYTHON.as_ref() {
            Ok(python) => Some(python),
            Err(_) if may_skip() => None,
            Err(why) => panic!("{why} ({NO_SKIP} is set)"),
        }
    }

    /// Asks for one thing: the answer, or the refusal. What is no request is a mistake of the test.
    pub fn ask(&self, request: &Json) -> Json {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let (input, output) = &mut *lines;
        // It reads a whole line before it answers, and answers before it reads on: neither waits for the other.
        input.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let answer: Json = serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line:?} to {request}"));
        assert!(answer.get("ok").is_some_and(Json::is_boolean), "{answer} to {request}");
        answer
    }

    fn start() -> Result<Self, String> {
        let which = std::env::var_os(WHICH).unwrap_or_else(|| "python3".into());
        let cannot = |why: &str| {
            format!(
                "{} does not run the second implementation: {why}; `pip install -r sdk/python/requirements.txt` installs \
                 what it needs, {WHICH} says which Python has it",
                which.display()
            )
        };
        let python = |arguments: [&str; 2]| {
            let mut command = Command::new(&which);
            command.args(arguments).env("PYTHONPATH", PACKAGE).env("PYTHONDONTWRITEBYTECODE", "1");
            command
        };
        let import = python(["-c", "import nightjar_wire.check"]).output().map_err(|why| cannot(&why.to_string()))?;
        if !import.status.success() {
            let said = String::from_utf8_lossy(&import.stderr);
            return Err(cannot(said.trim_end().lines().last().unwrap_or("it ends without a word")));
        }
        let mut command = python(["-m", "nightjar_wire.check"]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Ok(Self { lines: Mutex::new((input, BufReader::new(output))), _process: process })
    }
}
