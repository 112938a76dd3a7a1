//! `nightjar import`: takes what `nightjar export` wrote into the log of the running node, batch by batch.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use nightjar_front::rpc::row;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::exit::Failure;
use crate::output::{self, Progress};

/// Messages of one call: few enough that other messages are stored in between.
const BATCH_MESSAGES_MAX: usize = 500;
/// Bytes of the lines of one call, but for a single one that is longer: with the rest of the call below the MiB that a node takes.
const BATCH_BYTES_MAX: usize = 512 << 10;
/// The longest line: a message cut into the most parts takes a fifth of it, and it still fits into a call.
const LINE_BYTES_MAX: usize = 1_000_000;

const HELP: &str = "\
Each message gets a new place at the end of the log and keeps the time when it came; what is there already is left out. Nothing is sent.
What a message says of who wrote it is believed: import only what you, or somebody you trust, exported.

Examples:
  nightjar import messages.jsonl
  gunzip -c messages.jsonl.gz | nightjar import -";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// The file that `export` wrote; - = stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What the node says of a batch.
#[derive(Deserialize)]
struct Imported {
    came: u64,
    there: u64,
}

struct Import<'a> {
    client: &'a Client,
    batch: Vec<Map<String, Value>>,
    batch_bytes: usize,
    came: u64,
    there: u64,
}

pub(super) async fn run(client: Client, args: Args) -> Result<(), Failure> {
    let (what, lines): (_, Box<dyn BufRead>) = if args.file == Path::new("-") {
        ("stdin".to_owned(), Box::new(BufReader::new(io::stdin())))
    } else {
        let what = format!("{:?}", args.file);
        let opened = File::open(&args.file);
        let file = opened.map_err(|error| Failure::failed(format!("{what} cannot be read: {error}")))?;
        (what, Box::new(BufReader::new(file)))
    };
    let mut import = Import { client: &client, batch: Vec::new(), batch_bytes: 0, came: 0, there: 0 };
    match import.all(&what, lines).await {
        Ok(()) => Ok(output::print(&format!("{}\n", import.done()))?),
        Err(failure) => Err(failure
            .with(&format!("; before that {}: they stay, and a new try leaves out what is there", import.done()))),
    }
}

impl Import<'_> {
    /// Everything up to the end, or up to the first line that is no message.
    async fn all(&mut self, what: &str, mut lines: impl BufRead) -> Result<(), Failure> {
        let mut progress = Progress::new();
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let most = LINE_BYTES_MAX as u64 + 1;
            let read = (&mut lines).take(most).read_until(b'\n', &mut line);
            let wrong = |why: &dyn std::fmt::Display| Failure::failed(format!("line {number} of {what}: {why}"));
            let found = match read {
                Err(error) => Err(Failure::failed(format!("{what} cannot be read: {error}"))),
                Ok(0) => break,
                Ok(bytes) if bytes > LINE_BYTES_MAX => Err(wrong(&format!("it has more than {LINE_BYTES_MAX} bytes"))),
                Ok(_) if line.trim_ascii().is_empty() => continue,
                Ok(_) => row::read_line(&line).map_err(|why| wrong(&why)),
            };
            let members = match found {
                Ok((members, _)) => members,
                Err(failure) => {
                    self.send().await?;
                    return Err(failure);
                }
            };
            if self.batch.len() == BATCH_MESSAGES_MAX || self.batch_bytes + line.len() > BATCH_BYTES_MAX {
                self.send().await?;
                progress.at(self.came + self.there);
            }
            self.batch_bytes += line.len();
            self.batch.push(members);
        }
        self.send().await?;
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if batch.is_empty() {
            return Ok(());
        }
        let result = self.client.call("importmessages", json!({ "messages": batch })).await?;
        let Imported { came, there } = super::understood("importmessages", result)?;
        self.came += came;
        self.there += there;
        Ok(())
    }

    fn done(&self) -> String {
        let came = output::count(self.came, "message came", "messages came");
        format!("{came} into the log, {} there already", output::count(self.there, "was", "were"))
    }
}
