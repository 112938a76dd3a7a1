//! What the demonstration prints: the table, and how to talk to nodes that were kept.

use std::time::Duration;

use nightjar_core::address::LinkKind;

use super::native::links_in_words;
use super::{CHANNEL, HEARS_NICK, Net, Sent};
use crate::output::{Align, Paint, Table};

impl Net {
    /// A row for each node.
    pub(super) fn table(&self, sent: &Sent, paint: Paint) -> String {
        let mut table = Table::new(&[
            ("NODE", Align::Left),
            ("LINKS", Align::Left),
            ("RECORDS RECEIVED", Align::Right),
            ("DUPLICATES DROPPED", Align::Right),
            ("DELIVERIES", Align::Right),
            ("MS", Align::Right),
        ]);
        for native in &self.natives {
            let counters = native.status().counters;
            let noted = native.noted();
            let chat = noted.iter().find(|noted| noted.record.msg_id() == sent.chat);
            table.row([
                native.name.clone(),
                native.links(),
                counters.received.to_string(),
                (counters.repeats + counters.forged).to_string(),
                noted.len().to_string(),
                chat.map_or_else(|| "-".to_owned(), |noted| milliseconds(noted.at.duration_since(sent.begun))),
            ]);
        }
        let literal = self.literal.counters();
        table.row([
            "literal peer".to_owned(),
            links_in_words((0..literal.connected).map(|_| LinkKind::Pascal)),
            literal.received.to_string(),
            literal.duplicates.to_string(),
            literal.deliveries.to_string(),
            sent.literal_at.get().map_or_else(|| "-".to_owned(), |at| milliseconds(at.duration_since(sent.begun))),
        ]);
        let daemon = self.daemon.counters();
        table.row([
            "daemon".to_owned(),
            links_in_words((0..daemon.connected).map(|_| LinkKind::Pascal)),
            daemon.records.to_string(),
            "0".to_owned(),
            "0".to_owned(),
            "-".to_owned(),
        ]);
        table.render(paint)
    }

    /// Directories and commands.
    pub(super) fn how_to_talk(&self) -> String {
        let mut text = "The nodes go on until Ctrl-C. Each has its data directory:\n".to_owned();
        for native in &self.natives {
            text.push_str(&format!("  {}  {}\n", native.name, native.running().data_dir().display()));
        }
        let first = self.native(0).running();
        let last = self.native(HEARS_NICK).running();
        text.push_str(&format!(
            "\nListen at one and send at another, from other terminals:\n  \
             nightjar --data-dir {} listen '{CHANNEL}'\n  \
             nightjar --data-dir {} send '{CHANNEL}' 'hello'\n\n\
             The same by HTTP:\n  \
             curl -H \"Authorization: Bearer $(cat {})\" http://{} \\\n    \
             -d '{{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"sendmessage\", \"params\": {{\"name\": \"{CHANNEL}\", \"text\": \"hello\"}}}}'\n",
            last.data_dir().display(),
            first.data_dir().display(),
            first.ready().token_file.display(),
            first.ready().http,
        ));
        text
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1000.0)
}
