//! Passphrases: asked for at the terminal without showing them, or read from a line of stdin. Never an argument where it can be
//! helped, because other users see those.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use crate::exit::Failure;

/// No passphrase is longer.
const LINE_BYTES_MAX: u64 = 4096;

/// Asks for a secret.
pub(crate) fn ask(what: &str) -> Result<String, Failure> {
    let unreadable = |error: io::Error| Failure::failed(format!("{what} cannot be read: {error}"));
    if io::stdin().is_terminal() {
        return rpassword::prompt_password(format!("{what}: ")).map_err(unreadable);
    }
    let mut line = String::new();
    let read = io::stdin().lock().take(LINE_BYTES_MAX + 1).read_line(&mut line).map_err(unreadable)?;
    if read == 0 {
        return Err(Failure::usage(format!("{what} is wanted, and stdin is empty: give it as a line")));
    }
    if read as u64 > LINE_BYTES_MAX {
        return Err(Failure::usage(format!("{what} is longer than {LINE_BYTES_MAX} bytes")));
    }
    Ok(line.strip_suffix('\n').map_or(line.as_str(), |line| line.strip_suffix('\r').unwrap_or(line)).to_owned())
}

/// Asks for a new secret, at a terminal twice.
pub(crate) fn ask_new(what: &str) -> Result<String, Failure> {
    let secret = ask(what)?;
    if secret.is_empty() {
        return Err(Failure::usage(format!("{what} is empty")));
    }
    if io::stdin().is_terminal() && ask(&format!("{what} again"))? != secret {
        return Err(Failure::usage("the two are not the same: nothing was changed"));
    }
    Ok(secret)
}
