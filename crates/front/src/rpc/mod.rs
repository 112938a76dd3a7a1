//! JSON-RPC 2.0 over HTTP on this machine. Whoever shows the token may do everything; nobody else gets anything.

pub mod arguments;
mod dispatch;
pub mod error;
mod guard;
mod http;
mod json;
pub mod message;
mod methods;
pub mod reference;
pub mod row;
mod server;
pub mod table;

use std::fmt;
use std::path::PathBuf;

use nightjar_node::handle::Handle;
use tokio::net::TcpListener;
use tokio::sync::watch;

use dispatch::Dispatch;
use guard::Guard;
use http::{BODY_MS_MAX, Site};
use server::Limits;

/// What the server needs to know.
#[derive(Clone)]
pub struct RpcConfig {
    /// Who shows it may do everything.
    pub token: String,
    /// The file it stands in: told to those who come without it.
    pub token_file: PathBuf,
}

impl fmt::Debug for RpcConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcConfig").field("token_file", &self.token_file).finish_non_exhaustive()
    }
}

/// Serves until `stop` changes or its sender is gone; open requests then have two seconds to end.
pub async fn serve(node: Handle, listener: TcpListener, config: RpcConfig, stop: watch::Receiver<()>) {
    let listen = listener.local_addr().expect("a listener that is bound has an address");
    let site = Site {
        guard: Guard::new(&config.token, config.token_file, listen),
        dispatch: Dispatch::new(node, table::METHODS, stop.clone()),
        body_ms_max: BODY_MS_MAX,
    };
    server::run(site, listener, Limits::default(), stop).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_not_in_what_a_log_could_show() {
        let config = RpcConfig { token: "secret".to_owned(), token_file: "/data/token".into() };
        assert!(!format!("{config:?}").contains("secret"));
    }
}
