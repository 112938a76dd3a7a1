//! Every method against a real node, by raw HTTP over real sockets. What a method gives is compared with what it declares.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod account;
mod batch;
mod ignore;
mod listen;
mod log;
mod messages;
mod node;
mod peers;
mod people;
mod prove;
mod wallet;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use nightjar_core::chain::Network;
use nightjar_front::rpc::reference::undocumented;
use nightjar_front::rpc::table::METHODS;
use nightjar_front::rpc::{RpcConfig, serve};
use nightjar_node::clock::Clock;
use nightjar_node::config::Checked;
use nightjar_node::data_dir::DataDir;
use nightjar_node::engine::Node;
use nightjar_node::foreign::{DaemonOptions, UnmodifiedDaemon};
use nightjar_node::store::StoreLimits;
use nightjar_node::window::WindowLimits;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// No test waits so long unless something is broken.
const HANGS: Duration = Duration::from_secs(60);

/// A node with its server, in a data directory of its own.
struct TestNode {
    node: Node,
    data: DataDir,
    server: SocketAddr,
    token: String,
    stop: watch::Sender<()>,
    serving: JoinHandle<()>,
}

/// What a failed call says.
#[derive(Debug, PartialEq)]
struct Failed {
    code: i64,
    message: String,
}

impl TestNode {
    async fn start(dir: &TempDir) -> Self {
        Self::start_with(dir, |_| {}).await
    }

    async fn start_with(dir: &TempDir, change: impl FnOnce(&mut Checked)) -> Self {
        let data = DataDir::open(dir.path()).unwrap();
        let mut config = config(dir.path().to_owned());
        change(&mut config);
        let node = Node::start(&config, &data, Clock::system()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let token = data.token().unwrap();
        let (stop, stopped) = watch::channel(());
        let config = RpcConfig { token: token.clone(), token_file: data.token_file() };
        let serving = tokio::spawn(serve(node.handle().clone(), listener, config, stopped));
        Self { node, data, server, token, stop, serving }
    }

    /// Calls a method, and holds what it gives against what it declares.
    async fn call(&self, method: &str, params: Value) -> Result<Value, Failed> {
        let request = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": "x"});
        let (status, body) = self.post(&request.to_string()).await;
        assert_eq!(status, 200, "{body}");
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&answer["id"], &answer["jsonrpc"]), (&json!("x"), &json!("2.0")));
        match answer.get_mut("result").map(Value::take) {
            Some(result) => {
                let declared = METHODS.iter().find(|known| known.name == method).unwrap().result;
                assert_eq!(undocumented(declared, &result), Vec::<String>::new(), "{method}");
                Ok(result)
            }
            None => Err(Failed {
                code: answer["error"]["code"].as_i64().unwrap(),
                message: answer["error"]["message"].as_str().unwrap().to_owned(),
            }),
        }
    }

    /// A call that must succeed.
    async fn done(&self, method: &str, params: Value) -> Value {
        self.call(method, params).await.unwrap_or_else(|failed| panic!("{method}: {failed:?}"))
    }

    /// A call that must fail with this code.
    async fn refused(&self, code: i64, method: &str, params: Value) -> String {
        match self.call(method, params).await {
            Err(failed) if failed.code == code => failed.message,
            other => panic!("{method} was to fail with {code}: {other:?}"),
        }
    }

    /// A POST with the token: the status and the body of the answer.
    async fn post(&self, body: &str) -> (u16, String) {
        let token = format!("authorization: Bearer {}\r\n", self.token);
        http(self.server, &token, body).await
    }

    fn address(&self) -> String {
        self.node.handle().about().listen.to_string()
    }

    async fn stop(self) {
        // The directory is held until the node has ended.
        let Self { node, data: _held, stop, serving, .. } = self;
        drop(stop);
        timeout(HANGS, serving).await.expect("the server ends").unwrap();
        timeout(HANGS, node.stop()).await.expect("the node ends");
    }
}

/// One POST on a connection of its own.
async fn http(server: SocketAddr, headers: &str, body: &str) -> (u16, String) {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {server}\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    };
    timeout(HANGS, exchange).await.expect("an answer is still to come")
}

/// Waits until it is so.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let wait = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(HANGS, wait).await.unwrap_or_else(|_| panic!("still to come: {what}"));
}

/// An unmodified daemon that the node is told to link to.
async fn daemon(node: &TestNode) -> UnmodifiedDaemon {
    let daemon = UnmodifiedDaemon::bind("127.0.0.1:0".parse().unwrap(), DaemonOptions::default()).await.unwrap();
    node.done("addnode", json!({"addr": format!("pascal://{}", daemon.address())})).await;
    daemon
}

/// Waits until the node has so many links.
async fn linked(node: &TestNode, links: usize) {
    let count = || async { node.done("getconnections", json!({})).await.as_array().unwrap().len() == links };
    until("the links", count).await;
}

fn config(data_dir: PathBuf) -> Checked {
    Checked {
        data_dir,
        listen: "127.0.0.1:0".parse().unwrap(),
        http: "127.0.0.1:0".parse().unwrap(),
        irc: None,
        irc_name: "nightjar.irc".to_owned(),
        irc_presence: true,
        connect: Vec::new(),
        discovery: false,
        network: Network::Main,
        socks5: None,
        daemon: None,
        acknowledge: false,
        log: "off".to_owned(),
        ready_json: false,
        budgets: Some(nightjar_core::router::Budgets::default()),
        seen_bytes: 1 << 20,
        store: StoreLimits { messages_max: 10_000, bytes_max: 10 << 20 },
        log_days: None,
        window: Some(WindowLimits::default()),
    }
}
