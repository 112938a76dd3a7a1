//! The server over real sockets, with methods made for it: what is true of every method is tested here, without a node.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::super::arguments::{Arguments, Kind, Need, Param};
use super::super::dispatch::{BATCH_ANSWER_BYTES_MAX, Dispatch};
use super::super::error::RpcError;
use super::super::guard::Guard;
use super::super::http::{BODY_BYTES_MAX, BODY_MS_MAX};
use super::super::message::Answer;
use super::super::table::{Call, Method, Running};
use super::*;

const TOKEN: &str = "open sesame";
/// A limit so short that a test can wait for it.
const SHORT_MS: u64 = 500;
/// No test waits so long unless something is broken.
const HANGS: Duration = Duration::from_secs(60);

const TEXT: Param = Param { name: "text", kind: Kind::Text, need: Need::Required, doc: "" };
const NUMBER: Param = Param { name: "number", kind: Kind::Integer(0, u64::MAX), need: Need::Required, doc: "" };

static METHODS: &[Method<Arc<Probe>>] = &[
    method("echo", &[TEXT], |_, mut arguments| Box::pin(async move { Ok(Answer::of(&arguments.text("text"))) })),
    method("note", &[TEXT], |call, mut arguments| {
        Box::pin(async move {
            let text = arguments.text("text").unwrap();
            call.node.notes.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            Ok(Answer::of(&true))
        })
    }),
    method("large", &[NUMBER], |_, mut arguments| {
        Box::pin(async move { Ok(Answer::of(&"x".repeat(arguments.integer("number").unwrap()))) })
    }),
    method("hold", &[], |call, _| Box::pin(hold(call.node))),
    method("wait", &[], |call, _| {
        Box::pin(async move {
            call.node.events.send("began").unwrap();
            call.patience.wait(HANGS, tokio::time::sleep).await?;
            Ok(Answer::of(&true))
        })
    }),
];

const fn method(
    name: &'static str,
    params: &'static [Param],
    run: fn(Call<Arc<Probe>>, Arguments) -> Running,
) -> Method<Arc<Probe>> {
    Method { name, summary: "", notes: "", params, result: &[], example: "{}", example_result: "null", run }
}

/// What the methods do shows here.
struct Probe {
    notes: Mutex<Vec<String>>,
    /// Lets calls of `hold` end.
    gate: Semaphore,
    events: mpsc::UnboundedSender<&'static str>,
}

/// Says "began", waits for the gate, and says "dropped" if it is given up before.
async fn hold(probe: Arc<Probe>) -> Result<Answer, RpcError> {
    struct Given(Option<mpsc::UnboundedSender<&'static str>>);
    impl Drop for Given {
        fn drop(&mut self) {
            if let Some(events) = self.0.take() {
                events.send("dropped").unwrap();
            }
        }
    }
    probe.events.send("began").unwrap();
    let mut given = Given(Some(probe.events.clone()));
    probe.gate.acquire().await.unwrap().forget();
    given.0 = None;
    Ok(Answer::of(&"held"))
}

struct Server {
    address: SocketAddr,
    probe: Arc<Probe>,
    events: mpsc::UnboundedReceiver<&'static str>,
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        Self::with(Limits::default(), BODY_MS_MAX).await
    }

    async fn with(limits: Limits, body_ms_max: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        let probe = Arc::new(Probe { notes: Mutex::default(), gate: Semaphore::new(0), events: sender });
        let (stop, stopped) = watch::channel(());
        let site = Site {
            guard: Guard::new(TOKEN, "/data/token".into(), address),
            dispatch: Dispatch::new(Arc::clone(&probe), METHODS, stopped.clone()),
            body_ms_max,
        };
        let task = tokio::spawn(run(site, listener, limits, stopped));
        Self { address, probe, events, stop, task }
    }

    async fn client(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), address: self.address }
    }

    async fn event(&mut self) -> &'static str {
        timeout(HANGS, self.events.recv()).await.expect("an event is still to come").unwrap()
    }

    async fn ended(self) {
        timeout(HANGS, self.task).await.expect("the server ends").unwrap();
    }
}

struct Client {
    stream: TcpStream,
    address: SocketAddr,
}

struct Response {
    status: u16,
    head: String,
    body: String,
}

impl Client {
    async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).await.unwrap();
    }

    async fn post(&mut self, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let mut request = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        )
        .into_bytes();
        request.extend(body);
        self.send(request).await;
    }

    async fn call(&mut self, body: Value) -> Value {
        self.post(body.to_string()).await;
        let response = self.response().await;
        assert_eq!(response.status, 200, "{}", response.body);
        serde_json::from_str(&response.body).unwrap()
    }

    async fn response(&mut self) -> Response {
        let read = async {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(self.stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            let length =
                head.split("content-length: ").nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).await.unwrap();
            Response { status, head, body: String::from_utf8(body).unwrap() }
        };
        timeout(HANGS, read).await.expect("an answer is still to come")
    }

    /// Reads what is left; returns when the other end closed.
    async fn until_closed(&mut self) {
        let mut rest = [0; 65536];
        let read = async { while self.stream.read(&mut rest).await.is_ok_and(|bytes| bytes > 0) {} };
        timeout(HANGS, read).await.expect("the connection is still to be closed");
    }
}

fn request(id: u64, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params, "id": id})
}

fn echo(text: &str) -> Value {
    request(1, "echo", json!({"text": text}))
}

#[tokio::test]
async fn a_call_is_answered_and_the_connection_stays() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for text in ["one", "two"] {
        client.post(echo(text).to_string()).await;
        let response = client.response().await;
        assert_eq!(response.status, 200);
        assert_eq!(response.body, format!(r#"{{"jsonrpc":"2.0","result":"{text}","id":1}}"#));
        assert!(response.head.contains("content-type: application/json\r\n"));
        assert!(response.head.contains("x-content-type-options: nosniff\r\n"));
        assert!(!response.head.contains("access-control-"), "{}", response.head);
    }
    // Two at once are answered in their order.
    client.post(echo("three").to_string()).await;
    client.post(echo("four").to_string()).await;
    assert!(client.response().await.body.contains("three"));
    assert!(client.response().await.body.contains("four"));
}

#[tokio::test]
async fn any_path_any_content_type_and_chunks_are_taken() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let body = echo("x").to_string();
    let head = format!(
        "POST /any/path?x=1 HTTP/1.1\r\nhost: localhost\r\nauthorization: bearer {TOKEN}\r\ncontent-type: text/x\r\n"
    );
    let (front, back) = body.split_at(10);
    let chunks = format!("{:x}\r\n{front}\r\n{:x}\r\n{back}\r\n0\r\n\r\n", front.len(), back.len());
    client.send(format!("{head}transfer-encoding: chunked\r\n\r\n{chunks}")).await;
    assert_eq!(client.response().await.status, 200);
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why_and_nothing_is_run() {
    let server = Server::start().await;
    let body = request(1, "note", json!({"text": "x"})).to_string();
    let host = format!("host: {}\r\n", server.address);
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    for (method, headers, status, also) in [
        ("POST", host.clone(), 401, "www-authenticate: bearer"),
        ("POST", format!("{host}authorization: Bearer wrong\r\n"), 401, "www-authenticate: bearer"),
        ("POST", format!("host: evil.example\r\n{token}"), 403, ""),
        ("POST", format!("{host}{token}origin: http://evil.example\r\n"), 403, ""),
        ("OPTIONS", format!("{host}origin: http://evil.example\r\n"), 403, ""),
        ("PUT", format!("{host}{token}"), 405, "allow: post\r\n"),
        ("OPTIONS", format!("{host}{token}"), 405, "allow: post\r\n"),
    ] {
        let mut client = server.client().await;
        client.send(format!("{method} / HTTP/1.1\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())).await;
        let response = client.response().await;
        assert_eq!(response.status, status, "{method} {headers}");
        assert!(response.head.contains(also) && !response.head.contains("access-control-"), "{}", response.head);
        let json: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!((&json["error"]["code"], &json["id"]), (&json!(1021), &Value::Null));
        assert!(!response.body.contains(TOKEN));
        assert_eq!(response.body.contains("/data/token"), status == 401, "{}", response.body);
    }
    assert!(server.probe.notes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_call_that_fails_has_a_number_and_says_what_to_do() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for (body, code, says) in [
        (request(1, "ecko", json!({})), -32601, "did you mean \\\"echo\\\"?"),
        (request(1, "echo", json!({"txt": "x"})), -32602, "did you mean \\\"text\\\"?"),
        (request(1, "echo", json!({})), -32602, "parameter \\\"text\\\" is missing"),
        (json!({"jsonrpc": "2.0", "method": "echo", "params": {"text": "x"}, "id": 1, "extra": 1}), -32600, "extra"),
    ] {
        let answer = client.call(body).await;
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &json!(1)));
        assert!(answer["error"]["message"].to_string().contains(says), "{answer}");
    }
    for body in ["", "{", r#"{"jsonrpc":"2.0","jsonrpc":"2.0"}"#] {
        client.post(body).await;
        let answer: Value = serde_json::from_str(&client.response().await.body).unwrap();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32700), &Value::Null));
    }
}

#[tokio::test]
async fn a_batch_runs_in_order_and_a_bad_request_stops_nobody() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let batch = json!([
        request(1, "note", json!({"text": "a"})),
        {"jsonrpc": "2.0", "method": "note", "params": {"text": "b"}},
        request(2, "note", json!({"text": 5})),
        7,
        {"jsonrpc": "2.0", "method": "nothing"},
        request(3, "note", json!({"text": "c"})),
    ]);
    let answers = client.call(batch).await;
    let ids: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2), Value::Null, json!(3)]);
    assert_eq!(answers[1]["error"]["code"], -32602);
    assert_eq!(answers[3]["result"], true);
    assert_eq!(*server.probe.notes.lock().unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn notifications_get_no_answer() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let note = json!({"jsonrpc": "2.0", "method": "note", "params": {"text": "x"}});
    let unknown = json!({"jsonrpc": "2.0", "method": "nothing"});
    for body in [note.clone(), unknown.clone(), json!([note, unknown])] {
        client.post(body.to_string()).await;
        let response = client.response().await;
        assert_eq!((response.status, response.body.as_str()), (204, ""));
    }
    assert_eq!(server.probe.notes.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn the_rest_of_a_batch_is_not_run_when_its_answers_are_large() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let large = request(1, "large", json!({"number": BATCH_ANSWER_BYTES_MAX}));
    let note = |id| request(id, "note", json!({"text": "x"}));
    let answers = client
        .call(json!([note(1), large, note(2), {"jsonrpc": "2.0", "method": "note", "params": {"text": "y"}}]))
        .await;
    assert_eq!(answers.as_array().unwrap().len(), 3);
    assert_eq!(answers[2]["error"]["code"], 1022);
    assert!(answers[2]["error"]["message"].as_str().unwrap().starts_with("not run"));
    assert_eq!(server.probe.notes.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_body_up_to_the_limit_is_taken_and_a_longer_one_refused_readably() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let frame = echo("").to_string().len();
    let answer = client.call(echo(&"x".repeat(BODY_BYTES_MAX - frame))).await;
    assert_eq!(answer["result"].as_str().unwrap().len(), BODY_BYTES_MAX - frame);

    // One that says how long it is and begins to send, and one that does not say.
    let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n");
    client.send(format!("{head}content-length: {}\r\n\r\n", BODY_BYTES_MAX + 1)).await;
    client.send(vec![b' '; 100_000]).await;
    let refused = client.response().await;
    assert_eq!((refused.status, refused.body.contains("1048576")), (413, true));
    client.until_closed().await;

    let mut client = server.client().await;
    client.send(format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n", BODY_BYTES_MAX + 1)).await;
    client.send(vec![b' '; BODY_BYTES_MAX + 1]).await;
    assert_eq!(client.response().await.status, 413);
    client.until_closed().await;
}

#[tokio::test]
async fn a_client_that_is_still_sending_reads_why_it_was_refused() {
    let limits = Limits { linger_ms_max: HANGS.as_millis().try_into().unwrap(), ..Limits::default() };
    let server = Server::with(limits, BODY_MS_MAX).await;
    // More than the buffers of two sockets take.
    let long = vec![b' '; 16 << 20];
    for (token, status) in [(TOKEN, 413), ("wrong", 401)] {
        let mut client = server.client().await;
        let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n");
        client.send(format!("{head}content-length: {}\r\n\r\n", long.len())).await;
        client.send(&long).await;
        assert_eq!(client.response().await.status, status);
        client.stream.shutdown().await.unwrap();
        client.until_closed().await;
    }
}

#[tokio::test]
async fn a_head_beyond_its_limits_is_refused() {
    let server = Server::start().await;
    for headers in ["x: y\r\n".repeat(HEADERS_MAX + 1), format!("x: {}\r\n", "y".repeat(HEAD_BYTES_MAX))] {
        let mut client = server.client().await;
        client.send(format!("POST / HTTP/1.1\r\n{headers}\r\n")).await;
        assert_eq!(client.response().await.status, 431);
        client.until_closed().await;
    }
}

#[tokio::test]
async fn what_is_no_http_ends_its_connection_and_nothing_else() {
    let server = Server::start().await;
    let mut good = server.client().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\x80\x35\x04\x0a",
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = server.client().await;
        client.send(bytes).await;
        client.stream.shutdown().await.unwrap();
        client.until_closed().await;
    }
    assert_eq!(good.call(echo("x")).await["result"], "x");
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_head_or_says_nothing_is_cut() {
    let server = Server::with(Limits { head_ms_max: SHORT_MS, ..Limits::default() }, BODY_MS_MAX).await;
    let mut silent = server.client().await;
    let mut slow = server.client().await;
    slow.send("POST / HTTP/1.1\r\nho").await;
    let mut idle = server.client().await;
    assert_eq!(idle.call(echo("x")).await["result"], "x");
    silent.until_closed().await;
    slow.until_closed().await;
    idle.until_closed().await;
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_body_is_refused() {
    let server = Server::with(Limits::default(), SHORT_MS).await;
    let mut client = server.client().await;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 10\r\n\r\n{{"
        ))
        .await;
    assert_eq!(client.response().await.status, 408);
    client.until_closed().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut() {
    let server = Server::with(Limits { answer_ms_max: SHORT_MS, ..Limits::default() }, BODY_MS_MAX).await;
    let mut client = server.client().await;
    // More than the buffers of two sockets take.
    client.post(request(1, "large", json!({"number": 64 << 20})).to_string()).await;
    let cut = async {
        while client.stream.try_write(b"x").is_ok_and(|bytes| bytes > 0) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(HANGS, cut).await.expect("the connection is still to be cut");
}

#[tokio::test]
async fn a_client_that_waits_for_a_long_call_is_not_cut() {
    let limits = Limits { answer_ms_max: SHORT_MS, head_ms_max: SHORT_MS, ..Limits::default() };
    let mut server = Server::with(limits, SHORT_MS).await;
    let mut client = server.client().await;
    client.post(request(1, "hold", json!({})).to_string()).await;
    assert_eq!(server.event().await, "began");
    // Others are cut meanwhile, more than once.
    for _ in 0..3 {
        server.client().await.until_closed().await;
    }
    server.probe.gate.add_permits(1);
    assert!(client.response().await.body.contains("held"));
}

#[tokio::test]
async fn a_call_is_dropped_when_its_client_goes_away() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client.post(request(1, "hold", json!({})).to_string()).await;
    assert_eq!(server.event().await, "began");
    drop(client);
    assert_eq!(server.event().await, "dropped");
}

#[tokio::test]
async fn beyond_the_limit_the_connection_that_was_idle_longest_goes() {
    let server = Server::with(Limits { connections_max: 2, ..Limits::default() }, BODY_MS_MAX).await;
    let mut first = server.client().await;
    assert_eq!(first.call(echo("x")).await["result"], "x");
    let mut second = server.client().await;
    assert_eq!(second.call(echo("x")).await["result"], "x");
    assert_eq!(first.call(echo("x")).await["result"], "x");
    let mut third = server.client().await;
    assert_eq!(third.call(echo("x")).await["result"], "x");
    second.until_closed().await;
    assert_eq!(first.call(echo("x")).await["result"], "x");
}

#[tokio::test]
async fn when_all_are_busy_a_new_one_is_turned_away() {
    let mut server = Server::with(Limits { connections_max: 1, ..Limits::default() }, BODY_MS_MAX).await;
    let mut busy = server.client().await;
    busy.post(request(1, "hold", json!({})).to_string()).await;
    assert_eq!(server.event().await, "began");
    let mut client = server.client().await;
    assert_eq!(client.response().await.status, 503);
    client.until_closed().await;
    server.probe.gate.add_permits(1);
    assert!(busy.response().await.body.contains("held"));
}

#[tokio::test]
async fn a_crowd_does_not_end_the_server() {
    let server = Server::with(Limits { connections_max: 8, ..Limits::default() }, BODY_MS_MAX).await;
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(server.client().await);
    }
    let mut client = server.client().await;
    assert_eq!(client.call(echo("x")).await["result"], "x");
    for idle in crowd.iter_mut().take(190) {
        idle.until_closed().await;
    }
}

#[tokio::test]
async fn at_the_stop_idle_connections_end_and_open_requests_are_answered() {
    let mut server = Server::start().await;
    let mut idle = server.client().await;
    assert_eq!(idle.call(echo("x")).await["result"], "x");
    let mut silent = server.client().await;
    let mut busy = server.client().await;
    busy.post(request(1, "hold", json!({})).to_string()).await;
    assert_eq!(server.event().await, "began");
    server.stop.send(()).unwrap();
    idle.until_closed().await;
    silent.until_closed().await;
    server.probe.gate.add_permits(1);
    assert!(busy.response().await.body.contains("held"));
    let address = server.address;
    server.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn at_the_stop_calls_that_wait_are_told() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client.post(request(1, "wait", json!({})).to_string()).await;
    assert_eq!(server.event().await, "began");
    server.stop.send(()).unwrap();
    let answer: Value = serde_json::from_str(&client.response().await.body).unwrap();
    assert_eq!(answer["error"]["code"], 1030);
    server.ended().await;
}

#[tokio::test]
async fn a_request_that_does_not_end_is_given_up_after_the_stop() {
    let mut server = Server::with(Limits { stop_ms_max: SHORT_MS, ..Limits::default() }, BODY_MS_MAX).await;
    let mut client = server.client().await;
    client.post(request(1, "hold", json!({})).to_string()).await;
    assert_eq!(server.event().await, "began");
    server.stop.send(()).unwrap();
    assert_eq!(server.event().await, "dropped");
    client.until_closed().await;
    server.ended().await;
}

#[tokio::test]
async fn the_server_ends_when_nobody_holds_its_stop() {
    let server = Server::start().await;
    let Server { stop, task, .. } = server;
    drop(stop);
    timeout(HANGS, task).await.expect("the server ends").unwrap();
}
