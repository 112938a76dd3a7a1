//! A whole node in this process: engine, links, local API and IRC gateway on one data directory. `run` starts one,
//! `demo` several; nothing here is kept for the process as a whole.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use nightjar_front::irc::{self, IrcConfig};
use nightjar_front::rpc::{self, RpcConfig};
use nightjar_node::clock::Clock;
use nightjar_node::config::Checked;
use nightjar_node::data_dir::{DataDir, DataDirError, Ready};
use nightjar_node::engine::{Node, StartError};
use nightjar_node::handle::Handle;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

/// Everything is to be over in the five seconds after which whoever sent SIGTERM loses patience.
const STOP_MS_MAX: u64 = 4_800;
/// What clients of IRC said last is written down within this: the gateway gives itself a little less.
const LAST_WORDS_MS_MAX: u64 = 1_600;

/// A node that serves.
pub(crate) struct Running {
    node: Node,
    http: JoinHandle<()>,
    /// `None` where it is off, or its port could not be had.
    irc: Option<JoinHandle<()>>,
    /// Ends both when it is dropped.
    front_stop: watch::Sender<()>,
    ready: Ready,
    /// Last, because it holds the lock: nobody else may begin before all else has ended.
    dir: DataDir,
}

/// Why a node does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// Something about its directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The node itself.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its port for programs.
    #[error("cannot serve HTTP on {address}: {source}; {}", advice(.source, "--http"))]
    Http {
        /// The address that was wanted.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn advice(error: &io::Error, flag: &str) -> String {
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => "another program, or another node, has this port: end it, or choose another",
        io::ErrorKind::PermissionDenied => "ports below 1024 need rights: choose another port",
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address: choose another",
        _ => "choose another address",
    };
    format!("{what} with {flag}")
}

/// Starts a node on a data directory that is held. When it returns, the node answers and `ready.json` says where.
pub(crate) async fn serve(config: Checked, dir: DataDir, clock: Clock) -> Result<Running, ServeError> {
    let http_error = |source| ServeError::Http { address: config.http, source };
    // First what fails for the plainest reasons: a node that cannot serve should not have dialled anyone.
    let listener = TcpListener::bind(config.http).await.map_err(http_error)?;
    let http = listener.local_addr().map_err(http_error)?;
    let token = dir.token()?;
    let token_file = absolute(dir.token_file());
    let node = Node::start(&config, &dir, clock).await?;
    // Last, so that it takes no port from what the node cannot do without.
    let gateway = match config.irc {
        Some(address) => bind_irc(address).await,
        None => None,
    };
    let about = node.handle().about().clone();
    let ready = Ready {
        version: about.version.to_owned(),
        pid: std::process::id(),
        listen: about.listen,
        http,
        irc: gateway.as_ref().map(|(_, address)| *address),
        irc_name: config.irc_name.clone(),
        token_file: token_file.clone(),
        node_key: about.node_key.to_string(),
    };
    let (front_stop, stopped) = watch::channel(());
    let irc = gateway.map(|(listener, _)| {
        let (token, token_file) = (token.clone(), token_file.clone());
        let about = IrcConfig { name: config.irc_name, presence: config.irc_presence, token, token_file };
        tokio::spawn(irc::serve(node.handle().clone(), listener, about, stopped.clone()))
    });
    let http = tokio::spawn(rpc::serve(node.handle().clone(), listener, RpcConfig { token, token_file }, stopped));
    let running = Running { node, http, irc, front_stop, ready, dir };
    match running.dir.write_ready(&running.ready.json()) {
        Ok(()) => Ok(running),
        Err(error) => {
            running.stop().await;
            Err(error.into())
        }
    }
}

/// Where IRC clients connect to. Its usual port is that of every IRC server, and may well be taken: the node then does
/// without, for whoever needs no IRC should not have to know of it.
async fn bind_irc(wanted: SocketAddr) -> Option<(TcpListener, SocketAddr)> {
    let bound = TcpListener::bind(wanted).await.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound
        .inspect_err(|error| {
            let advice = advice(error, "--irc");
            tracing::warn!("cannot serve IRC on {wanted}: {error}; the node goes on without; {advice}, or --irc off");
        })
        .ok()
}

/// For programs with another working directory.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

impl Running {
    /// The way in.
    pub(crate) fn handle(&self) -> &Handle {
        self.node.handle()
    }

    /// What stands in `ready.json`.
    pub(crate) const fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Its data directory.
    pub(crate) fn data_dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Says BYE on every link, writes down what is to be kept, and ends; `false` if that took too long and was left.
    pub(crate) async fn stop(self) -> bool {
        let Self { node, http, irc, front_stop, ready: _, dir } = self;
        dir.remove_ready();
        drop(front_stop);
        let ends: Vec<AbortHandle> = irc.iter().chain([&http]).map(JoinHandle::abort_handle).collect();
        let all = async {
            let mut irc = irc;
            // First, for it has the node write down what its clients said last. What takes longer are clients that do not read.
            if let Some(gateway) = &mut irc
                && timeout(Duration::from_millis(LAST_WORDS_MS_MAX), gateway).await.is_ok()
            {
                irc = None;
            }
            node.stop().await;
            for front in irc.into_iter().chain([http]) {
                // Fails only if it panicked, which has ended the program already.
                front.await.unwrap_or(());
            }
        };
        let done = timeout(Duration::from_millis(STOP_MS_MAX), all).await.is_ok();
        ends.iter().for_each(AbortHandle::abort);
        done
    }
}
