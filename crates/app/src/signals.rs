//! Ctrl-C and SIGTERM, as something to wait for.

use std::io;

use crate::exit::Failure;

/// The signals that ask a program to end.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on they do not end the program by themselves.
    pub(crate) fn new() -> Result<Self, Failure> {
        Self::watch().map_err(|error| Failure::failed(format!("the system does not tell signals: {error}")))
    }

    #[cfg(unix)]
    fn watch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    fn watch() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for one, and names it.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    /// Waits for one, and names it.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            // Then there is nothing to wait for.
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
