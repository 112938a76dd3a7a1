//! What a running node says of itself in `ready.json`, so that commands and programs find it.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

/// A node that serves. More may be added; readers skip what they do not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Version of the program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Where peers connect to.
    pub listen: SocketAddr,
    /// Where programs and people connect to.
    pub http: SocketAddr,
    /// Where IRC clients connect to; `None` where it is not served, and of a node that knew no IRC yet.
    #[serde(default)]
    pub irc: Option<SocketAddr>,
    /// What the IRC gateway calls itself; empty of a node that knew no IRC yet.
    #[serde(default)]
    pub irc_name: String,
    /// The file with the token of the local API.
    #[serde(serialize_with = "path_as_text")]
    pub token_file: PathBuf,
    /// Its node key in hex.
    pub node_key: String,
}

impl Ready {
    /// As it stands in the file.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("text, numbers and socket addresses are JSON")
    }
}

/// A path that is not Unicode is shown as well as it can be: it must not keep the node from serving.
fn path_as_text<S: Serializer>(path: &std::path::Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}
