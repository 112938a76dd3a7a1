//! Exit codes, written down once: the program, its help and `docs/cli.md` have them from here.

use std::fmt;
use std::io;

use crate::output;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Failed,
    Usage,
    NoNode,
    Refused,
    TimedOut,
    Bug,
}

impl Exit {
    const ALL: [Self; 7] =
        [Self::Done, Self::Failed, Self::Usage, Self::NoNode, Self::Refused, Self::TimedOut, Self::Bug];

    /// The number that the shell sees.
    pub(crate) const fn code(self) -> i32 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NoNode => 3,
            Self::Refused => 4,
            Self::TimedOut => 5,
            Self::Bug => 70,
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "wrong usage or configuration",
            Self::NoNode => "no node is running for the data directory",
            Self::Refused => "the node refused",
            Self::TimedOut => "the node did not answer in time",
            Self::Bug => "a bug in nightjar",
        }
    }
}

/// The table as it stands in the help.
pub(crate) fn table() -> String {
    let rows: Vec<String> = Exit::ALL.iter().map(|exit| format!("  {:>2}  {}", exit.code(), exit.meaning())).collect();
    format!("Exit codes:\n{}", rows.join("\n"))
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    /// One line for people; nothing when there is nobody to read it.
    text: Option<String>,
}

impl Failure {
    /// It ends with this code, and says why.
    pub(crate) fn new(exit: Exit, why: impl fmt::Display) -> Self {
        Self { exit, text: Some(why.to_string()) }
    }

    /// It failed.
    pub(crate) fn failed(why: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, why)
    }

    /// What was typed, or the configuration, is wrong.
    pub(crate) fn usage(why: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, why)
    }

    /// How it ends.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// The same, with more to say.
    pub(crate) fn with(mut self, more: &str) -> Self {
        if let Some(text) = &mut self.text {
            text.push_str(more);
        }
        self
    }

    /// Says on stderr what there is to say.
    pub(crate) fn report(self) -> Exit {
        if let Some(text) = self.text {
            // One line, whatever a file or a node had to say.
            output::note(&format!("nightjar: {}", output::visible(&text)));
        }
        self.exit
    }
}

/// Whoever read our output has had enough, as `head` has: that is no failure. Anything else is.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { exit: Exit::Done, text: None };
        }
        Self::failed(format!("the output cannot be written: {error}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn the_page_of_the_command_line_has_this_table() {
        let page = include_str!("../../../docs/cli.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(page.contains(&row), "docs/cli.md lacks {row}");
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure_and_a_full_disk_is_one() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).report(), Exit::Done);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).report(), Exit::Failed);
    }
}
