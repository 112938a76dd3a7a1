//! Talks JSON-RPC over HTTP to the running node of a data directory, which `ready.json` and the token file lead to.
//! Never starts a node, and never shows the token.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;

use nightjar_front::rpc::error::Code;
use nightjar_node::data_dir::{DataDir, DataDirError};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exit::{Exit, Failure};

/// An answer with the most messages one read gives has below 2 MiB; what is larger comes from no node.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The node is on this machine.
const CONNECT_MS_MAX: u64 = 5_000;
/// For an answer, beyond the time it was asked to wait. The slowest question goes to PascalCoin peers, which have 10 s.
const ANSWER_MS_MAX: u64 = 30_000;

/// A node that said it is ready.
pub(crate) struct Client {
    data_dir: PathBuf,
    http: SocketAddr,
    token: String,
}

/// Why there was no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The data directory leads to no node, or cannot be read.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// It says it is there, and is not.
    #[error("the node of {} does not answer at {http} ({error}): it may be ending", .data_dir.display())]
    Unreachable {
        /// Whose node was looked for.
        data_dir: PathBuf,
        /// Where.
        http: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// It was there, and is not any more.
    #[error("the node of {} went away", .0.display())]
    Gone(PathBuf),
    /// The node says no.
    #[error("{message} (error {code})")]
    Refused {
        /// The error's number.
        code: i64,
        /// What the node says.
        message: String,
    },
    /// The node does not answer.
    #[error("the node at {0} did not answer in time: it may be busy or hang; its log says more")]
    TimedOut(SocketAddr),
    /// What came is no answer of a node.
    #[error("what answers at {http} does not speak like a node ({what}): is the http port used by another program?")]
    NotANode {
        /// Where.
        http: SocketAddr,
        /// What came.
        what: String,
    },
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let exit = match &error {
            CallError::DataDir(DataDirError::NoNode(_) | DataDirError::NotReady(_))
            | CallError::Unreachable { .. }
            | CallError::Gone(_) => Exit::NoNode,
            // As good as none.
            CallError::Refused { code, .. } if *code == i64::from(Code::Stopping.number()) => Exit::NoNode,
            CallError::Refused { .. } => Exit::Refused,
            CallError::TimedOut(_) => Exit::TimedOut,
            CallError::DataDir(_) | CallError::NotANode { .. } => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

/// JSON-RPC's answer.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<AnswerError>,
}

#[derive(Deserialize)]
struct AnswerError {
    code: i64,
    message: String,
}

impl Client {
    /// The client of the node that runs on a data directory.
    pub(crate) fn of(data_dir: &Path) -> Result<Self, CallError> {
        let ready = DataDir::ready(data_dir)?;
        let token = DataDir::read_token(&ready.token_file)?;
        Ok(Self { data_dir: data_dir.to_owned(), http: reachable(ready.http), token })
    }

    /// Calls a method and gives its result.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Result<Value, CallError> {
        self.call_waiting(method, params, Duration::ZERO).await
    }

    /// The same for a method that was asked to wait so long before it answers.
    pub(crate) async fn call_waiting(&self, method: &str, params: Value, wait: Duration) -> Result<Value, CallError> {
        let limit = Duration::from_millis(ANSWER_MS_MAX) + wait;
        let (status, body) =
            timeout(limit, self.post(method, params)).await.map_err(|_| CallError::TimedOut(self.http))??;
        let strange = |what: String| CallError::NotANode { http: self.http, what };
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| strange(format!("HTTP status {status}, {} bytes that are no answer", body.len())))?;
        match answer {
            Answer { error: Some(error), .. } => Err(CallError::Refused { code: error.code, message: error.message }),
            Answer { result, .. } if status == StatusCode::OK => Ok(result.unwrap_or(Value::Null)),
            Answer { .. } => Err(strange(format!("HTTP status {status}"))),
        }
    }

    /// One question on a connection of its own: the node is on this machine, and nothing has to be kept open.
    async fn post(&self, method: &str, params: Value) -> Result<(StatusCode, Bytes), CallError> {
        let connecting = TcpStream::connect(self.http);
        let stream = match timeout(Duration::from_millis(CONNECT_MS_MAX), connecting).await {
            Err(_) => return Err(CallError::TimedOut(self.http)),
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(CallError::Unreachable { data_dir: self.data_dir.clone(), http: self.http, error });
            }
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        let connection = tokio::spawn(connection);
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let request = Request::builder()
            .method(Method::POST)
            .uri("/")
            .header(HOST, self.http.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("an address and a checked token can stand in a header");
        let response = sender.send_request(request).await.map_err(|error| self.broken(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        connection.abort();
        match body {
            Ok(body) => Ok((status, body.to_bytes())),
            Err(error) => match error.downcast_ref::<hyper::Error>() {
                Some(error) => Err(self.broken(error)),
                None => Err(CallError::NotANode {
                    http: self.http,
                    what: format!("more than {ANSWER_BYTES_MAX} bytes in one answer"),
                }),
            },
        }
    }

    fn broken(&self, error: &hyper::Error) -> CallError {
        if error.is_parse() {
            return CallError::NotANode { http: self.http, what: error.to_string() };
        }
        CallError::Gone(self.data_dir.clone())
    }
}

/// A server that listens on all addresses is reached on this machine's own.
fn reachable(http: SocketAddr) -> SocketAddr {
    let ip = match http.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    SocketAddr::new(ip, http.port())
}
