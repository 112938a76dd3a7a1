//! A gateway for IRC clients on this machine: channels and people of the flood, as an IRC server shows them.

pub mod line;
pub mod order;
pub mod peer;
pub mod text;

use std::fmt;
use std::path::PathBuf;

use nightjar_node::handle::Handle;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What the gateway needs to know.
#[derive(Clone)]
pub struct IrcConfig {
    /// What it calls itself: a host name with a dot, so that no nick is like it.
    pub name: String,
    /// Whether authors that are heard join, and leave when they were silent for long.
    pub presence: bool,
    /// Who shows it is let in.
    pub token: String,
    /// The file it stands in: told to those who come without it.
    pub token_file: PathBuf,
}

impl fmt::Debug for IrcConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IrcConfig")
            .field("name", &self.name)
            .field("token_file", &self.token_file)
            .finish_non_exhaustive()
    }
}

/// Serves until `stop` changes or its sender is gone.
pub async fn serve(node: Handle, listener: TcpListener, config: IrcConfig, mut stop: watch::Receiver<()>) {
    drop((node, listener, config));
    // Fails when nobody wants the gateway any more.
    stop.changed().await.unwrap_or(());
}
