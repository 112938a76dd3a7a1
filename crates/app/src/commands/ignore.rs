//! `nightjar ignore`: what the user does not want to read.

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use nightjar_node::post::Ignored;
use serde::Deserialize;
use serde_json::{Value, json};

use super::people::{KEY_DIGITS, key_of};
use crate::client::Client;
use crate::exit::Failure;
use crate::output;

/// What is read of a list: as many keys, nicks and patterns as there can be take two thirds of it.
const LIST_BYTES_MAX: u64 = 1 << 20;

const HELP: &str = "\
WHAT is ~ and the first digits (four or more) of a chat key, or nick and digits as `listen` shows them
(nightraven~8a88e3dd7409); an account (1234-44), which is whoever claims it, proven or not; a nick (@nightraven), which
is whoever signs and calls himself so; or word: and a pattern, in which * is anything. A pattern with a blank in it is held against
the whole text, one without against each word; upper and lower case are the same.
What matches is dropped before it is stored, counted in `status`, and told to nobody. Without WHAT the list is shown.

In a list that is imported each line is one of these, with the whole key; lines that begin with # are comments.

Examples:
  nightjar ignore @magpie
  nightjar ignore 'word:airdrop*'                 words that begin so
  nightjar ignore 'word:*free coins*' --remove    texts with both words, read again
  nightjar ignore --export - | ssh other nightjar ignore --import -";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Key, account, nick or word:PATTERN
    #[arg(value_name = "WHAT")]
    what: Option<String>,

    /// Read it again from now on
    #[arg(long, requires = "what")]
    remove: bool,

    /// Write the list to a new file, - = stdout
    #[arg(long, value_name = "FILE", conflicts_with_all = ["what", "import", "json"])]
    export: Option<PathBuf>,

    /// Ignore what is in a list as well, - = stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["what", "json"])]
    import: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Added {
    what: String,
    added: bool,
}

#[derive(Debug, Deserialize)]
struct Removed {
    what: String,
    removed: bool,
}

#[derive(Debug, Deserialize)]
struct Entry {
    what: String,
}

pub(super) async fn run(client: Client, args: Args) -> Result<(), Failure> {
    match args {
        Args { export: Some(file), .. } => export(&client, &file).await,
        Args { import: Some(file), .. } => import(&client, &file).await,
        Args { what: Some(what), remove, json, .. } => change(&client, &what, remove, json).await,
        Args { json, .. } => list(&client, json).await,
    }
}

async fn change(client: &Client, what: &str, remove: bool, json: bool) -> Result<(), Failure> {
    // A pattern may have a ~ in it, and digits alone are a nick or an account unless they are a whole key.
    let is_key = !what.starts_with("word:") && (what.contains('~') || what.len() == KEY_DIGITS);
    let what = if is_key { format!("~{}", key_of(client, what).await?) } else { what.to_owned() };
    let method = if remove { "unignore" } else { "ignore" };
    let result = client.call(method, json!({ "what": what })).await?;
    if json {
        return Ok(output::print(&output::json(&result))?);
    }
    let line = if remove {
        let Removed { what, removed } = super::understood(method, result)?;
        let what = output::visible(&what);
        if !removed {
            return Err(Failure::failed(format!("{what} was not ignored: nothing is changed")));
        }
        format!("{what} is read again\n")
    } else {
        let Added { what, added } = super::understood(method, result)?;
        let what = output::visible(&what);
        format!("{what} is ignored{}\n", if added { "" } else { " already" })
    };
    Ok(output::print(&line)?)
}

async fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let result = client.call("ignored", json!({})).await?;
    if json {
        return Ok(output::print(&output::json(&result))?);
    }
    let all = lines(result, output::visible)?;
    Ok(output::print(if all.is_empty() { "nothing is ignored\n" } else { &all })?)
}

/// One a line.
fn lines(result: Value, shown: impl Fn(&str) -> String) -> Result<String, Failure> {
    let all: Vec<Entry> = super::understood("ignored", result)?;
    Ok(all.iter().map(|entry| shown(&entry.what) + "\n").collect())
}

async fn export(client: &Client, file: &Path) -> Result<(), Failure> {
    // As it is, or it would not be read again as the same. No entry has control characters in it.
    let lines = lines(client.call("ignored", json!({})).await?, str::to_owned)?;
    if file == Path::new("-") {
        return Ok(output::print(&lines)?);
    }
    let written = std::fs::File::create_new(file).and_then(|mut file| file.write_all(lines.as_bytes()));
    written.map_err(|error| {
        Failure::failed(format!("{file:?} cannot be written ({error}): a file that is there is not overwritten"))
    })?;
    let count = output::count(lines.lines().count() as u64, "entry", "entries");
    Ok(output::print(&format!("{file:?} written: {count}\n"))?)
}

async fn import(client: &Client, file: &Path) -> Result<(), Failure> {
    let unreadable = |error| Failure::failed(format!("{file:?} cannot be read: {error}"));
    let text = if file == Path::new("-") {
        read(file, std::io::stdin())?
    } else {
        read(file, std::fs::File::open(file).map_err(unreadable)?)?
    };
    let mut new = 0;
    for (number, what) in entries(&text)? {
        let result = client.call("ignore", json!({ "what": what.to_string() })).await;
        let result = result.map_err(|error| {
            Failure::from(error).with(&format!(" (line {number} of {file:?}: what stands before it is ignored now)"))
        })?;
        let Added { added, .. } = super::understood("ignore", result)?;
        new += u64::from(added);
    }
    Ok(output::print(&format!("{} added\n", output::count(new, "entry", "entries")))?)
}

/// The text of a list, if that is not longer than one can be.
fn read(file: &Path, from: impl Read) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let unreadable = |error: String| Failure::failed(format!("{file:?} cannot be read: {error}"));
    from.take(LIST_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > LIST_BYTES_MAX {
        return Err(Failure::usage(format!("{file:?} has more than {LIST_BYTES_MAX} bytes: no list is so long")));
    }
    String::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))
}

/// What stands in a list, and on which lines. Nothing is ignored of one that is not understood as a whole.
fn entries(text: &str) -> Result<Vec<(usize, Ignored)>, Failure> {
    let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let read = lines.map(|(line, number)| match line.parse() {
        Ok(what) => Ok((number, what)),
        Err(error) => Err(Failure::usage(format!("line {number}: {error}; nothing is changed"))),
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn a_list_has_an_entry_on_each_line_and_comments() {
        let read = entries("# mine\n\n  @magpie\r\n1234-44\n#den\nword:#pump*\n").unwrap();
        let read: Vec<_> = read.into_iter().map(|(number, what)| (number, what.to_string())).collect();
        let wanted = [(3, "@magpie"), (4, "1234-44"), (6, "word:#pump*")];
        assert_eq!(read, wanted.map(|(number, what)| (number, what.to_owned())));
        assert!(entries("").unwrap().is_empty());
    }

    #[test]
    fn a_list_that_is_longer_than_any_can_be_is_refused_and_the_longest_is_read() {
        let read_of = |bytes: u64| read(Path::new("list"), std::io::repeat(b'#').take(bytes));
        assert_eq!(read_of(LIST_BYTES_MAX).unwrap().len() as u64, LIST_BYTES_MAX);
        // What is behind is not read at all, and letters of several bytes may be cut there.
        let umlauts = "\u{fc}".repeat(1 << 20);
        for endless in [read_of(u64::MAX), read(Path::new("list"), b"x".chain(umlauts.as_bytes()))] {
            let refused = format!("{:?}", endless.unwrap_err());
            assert!(refused.contains("has more than 1048576 bytes: no list is so long"), "{refused}");
        }
        let refused = format!("{:?}", read(Path::new("list"), [0xff].as_slice()).unwrap_err());
        assert!(refused.contains("cannot be read: invalid utf-8"), "{refused}");
        // All that can be ignored.
        let keys = (nightjar_node::post::CONTACTS_MAX * 2 + nightjar_node::post::REQUESTS_MAX) as u64
            * (KEY_DIGITS as u64 + 2);
        let patterns = (nightjar_node::post::IGNORED_MAX * (nightjar_node::post::PATTERN_BYTES_MAX + 6)) as u64;
        assert!(keys + patterns <= LIST_BYTES_MAX);
    }

    #[test]
    fn a_list_with_a_line_that_is_not_understood_is_refused_as_a_whole() {
        let refused = format!("{:?}", entries("@magpie\n1234-45\n").unwrap_err());
        assert!(refused.contains("line 2: the checksum") && refused.contains("nothing is changed"), "{refused}");
    }
}
