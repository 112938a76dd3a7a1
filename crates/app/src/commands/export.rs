//! `nightjar export`: the log as lines, for `nightjar import` or for people. Never writes over a file.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nightjar_core::name::TypedName;
use nightjar_node::handle::PAGE_MESSAGES_MAX;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{history, listen};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{self, Paint, Progress};

const HELP: &str = "\
The lines are JSON, a message each, the oldest first, and `nightjar import` brings them back. What came under seal stands there as it was
opened: keep the file as you keep the data directory.

Examples:
  nightjar export messages.jsonl
  nightjar export --in '#pascalcoin' --last 7d --text
  nightjar export | gzip > messages.jsonl.gz";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// The file to write, which must not be there yet; - = stdout
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    /// Only of this channel, or with this nick or account
    #[arg(long = "in", value_name = "NAME")]
    name: Option<String>,

    /// Only of this last time: 90s, 30m, 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = history::milliseconds)]
    last: Option<u64>,

    /// Print lines for people, as `listen` does; they cannot be imported
    #[arg(long)]
    text: bool,
}

impl Args {
    /// The name, if it is one.
    pub(super) fn name(&self) -> Result<Option<TypedName>, Failure> {
        self.name.as_ref().map(|name| name.parse().map_err(Failure::usage)).transpose()
    }
}

/// The part of a page that is needed; messages go through as they are.
#[derive(Deserialize)]
struct Page {
    messages: Vec<Value>,
    next: u64,
}

/// Where lines go.
enum Sink {
    Stdout,
    File(File),
}

impl Sink {
    fn write(&mut self, lines: &str) -> io::Result<()> {
        match self {
            Self::Stdout => output::print(lines),
            Self::File(file) => file.write_all(lines.as_bytes()),
        }
    }
}

pub(super) async fn run(client: Client, args: Args, name: Option<TypedName>) -> Result<(), Failure> {
    if args.file == Path::new("-") {
        return write(&client, &args, name, &mut Sink::Stdout, Paint::stdout()).await.map(drop);
    }
    let unwritable = |error: io::Error| Failure::failed(format!("{:?} cannot be written: {error}", args.file));
    let mut sink = Sink::File(super::new_file(&args.file)?);
    let written = write(&client, &args, name, &mut sink, Paint::none()).await;
    let written = written.and_then(|count| match &sink {
        Sink::File(file) => file.sync_all().map(|()| count).map_err(unwritable),
        Sink::Stdout => Ok(count),
    });
    match written {
        Ok(count) => {
            let count = output::count(count, "message", "messages");
            Ok(output::print(&format!("{:?} written: {count}, to be read by whoever has it\n", args.file))?)
        }
        Err(failure) => {
            // Half an export looks like a whole one.
            std::fs::remove_file(&args.file).ok();
            Err(failure.with(&format!("; {:?} was taken away again", args.file)))
        }
    }
}

/// Writes all that is wanted; says how many messages that was.
async fn write(
    client: &Client,
    args: &Args,
    name: Option<TypedName>,
    sink: &mut Sink,
    paint: Paint,
) -> Result<u64, Failure> {
    let method = if args.text { "getmessages" } else { "exportmessages" };
    let from = args.last.map_or(0, history::ago);
    let (mut since, mut count, mut progress) = (0, 0, Progress::new());
    loop {
        let mut params = json!({ "since": since, "limit": PAGE_MESSAGES_MAX });
        if let (Some(name), Some(members)) = (&name, params.as_object_mut()) {
            members.insert("name".to_owned(), json!(name.typed()));
        }
        let page: Page = super::understood(method, client.call(method, params).await?)?;
        if page.messages.is_empty() {
            return Ok(count);
        }
        since = page.next;
        let is_wanted = |message: &Value| message.get("received").and_then(Value::as_u64) >= Some(from);
        let wanted: Vec<Value> = page.messages.into_iter().filter(is_wanted).collect();
        count += wanted.len() as u64;
        let lines = listen::lines(wanted.into_iter(), !args.text, paint)?;
        match (sink.write(&lines), &sink) {
            (Ok(()), _) => progress.at(count),
            (Err(error), Sink::Stdout) => return Err(error.into()),
            (Err(error), Sink::File(_)) => {
                return Err(Failure::failed(format!("{:?} cannot be written: {error}", args.file)));
            }
        }
    }
}
