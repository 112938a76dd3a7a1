//! The next connection to a listener of this machine, whatever comes between.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// After the system had no socket for us (usually: too many open files) it is left alone for so long.
const PAUSE: Duration = Duration::from_millis(500);

/// Waits for it. Nothing is lost when that is given up.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The other end went away while it waited for us.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                tracing::warn!(%error, "a local connection could not be accepted");
                sleep(PAUSE).await;
            }
        }
    }
}
