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
    answer_ms_max: u64,
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
        let data_dir = data_dir.to_owned();
        Ok(Self { data_dir, http: reachable(ready.http), token, answer_ms_max: ANSWER_MS_MAX })
    }

    /// Calls a method and gives its result.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Result<Value, CallError> {
        self.call_waiting(method, params, Duration::ZERO).await
    }

    /// The same for a method that was asked to wait so long before it answers.
    pub(crate) async fn call_waiting(&self, method: &str, params: Value, wait: Duration) -> Result<Value, CallError> {
        let limit = Duration::from_millis(self.answer_ms_max) + wait;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// A client of somebody who reads a request and says this, or nothing and waits.
    async fn client_of(says: Option<Vec<u8>>) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            match says {
                // The client may have had enough before the end.
                Some(says) => stream.write_all(&says).await.unwrap_or(()),
                None => std::future::pending().await,
            }
        });
        Client { data_dir: "/d".into(), http, token: "secret".to_owned(), answer_ms_max: 30_000 }
    }

    fn answer(status: &str, body: &str) -> Option<Vec<u8>> {
        Some(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    }

    async fn exit_for(says: Option<Vec<u8>>) -> Exit {
        let error = client_of(says).await.call("m", json!({})).await.unwrap_err();
        Failure::from(error).exit()
    }

    #[tokio::test]
    async fn a_result_is_given_as_it_is() {
        let says = answer("200 OK", r#"{"jsonrpc":"2.0","id":1,"result":{"a":[1]}}"#);
        assert_eq!(client_of(says).await.call("m", json!({})).await.unwrap(), json!({ "a": [1] }));
        let says = answer("200 OK", r#"{"jsonrpc":"2.0","id":1,"result":null}"#);
        assert_eq!(client_of(says).await.call("m", json!({})).await.unwrap(), Value::Null);
    }

    #[tokio::test]
    async fn every_way_to_fail_has_its_exit_code() {
        let error = |code| format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"no"}}}}"#);
        assert_eq!(exit_for(answer("200 OK", &error(-32601))).await, Exit::Refused);
        assert_eq!(exit_for(answer("401 Unauthorized", &error(1021))).await, Exit::Refused);
        assert_eq!(exit_for(answer("200 OK", &error(1030))).await, Exit::NoNode);
        assert_eq!(exit_for(Some(Vec::new())).await, Exit::NoNode);
        assert_eq!(exit_for(answer("200 OK", "<html>")).await, Exit::Failed);
        assert_eq!(exit_for(answer("500 Oh", "{}")).await, Exit::Failed);
        assert_eq!(exit_for(Some(b"220 mail.example ESMTP\r\n".to_vec())).await, Exit::Failed);
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read_to_its_end() {
        let says = answer("200 OK", &" ".repeat(ANSWER_BYTES_MAX + 1));
        let error = client_of(says).await.call("m", json!({})).await.unwrap_err();
        assert!(matches!(&error, CallError::NotANode { what, .. } if what.contains("more than")), "{error}");
    }

    #[tokio::test]
    async fn who_does_not_answer_is_not_waited_for_for_ever() {
        let client = Client { answer_ms_max: 50, ..client_of(None).await };
        let error = client.call("m", json!({})).await.unwrap_err();
        assert_eq!(Failure::from(error).exit(), Exit::TimedOut);
    }

    #[tokio::test]
    async fn nobody_at_the_port_is_no_node() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap();
        drop(listener);
        let client = Client { data_dir: "/d".into(), http, token: "secret".to_owned(), answer_ms_max: 30_000 };
        let error = client.call("m", json!({})).await.unwrap_err();
        assert!(!error.to_string().contains("secret"));
        assert_eq!(Failure::from(error).exit(), Exit::NoNode);
    }

    #[test]
    fn a_server_on_all_addresses_is_reached_on_this_machine() {
        assert_eq!(reachable("0.0.0.0:1".parse().unwrap()), "127.0.0.1:1".parse().unwrap());
        assert_eq!(reachable("[::]:1".parse().unwrap()), "[::1]:1".parse().unwrap());
        assert_eq!(reachable("127.0.0.2:1".parse().unwrap()), "127.0.0.2:1".parse().unwrap());
    }
}
