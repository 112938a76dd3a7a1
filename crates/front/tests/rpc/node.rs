use serde_json::json;
use tempfile::TempDir;

use crate::{TestNode, http, until};

#[tokio::test]
async fn the_status_says_which_node_it_is_and_counts() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let status = node.done("nodestatus", json!({})).await;
    let about = node.node.handle().about();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&status["network"], &status["budgets"]), (&json!("main"), &json!("on")));
    assert_eq!(status["node_key"], about.node_key.to_string());
    assert_eq!(status["listen"], node.address());
    assert_eq!(status["data_dir"], dir.path().display().to_string());
    assert_eq!((&status["connections"], &status["seq"]), (&json!(0), &json!(0)));
    node.stop().await;
}

#[tokio::test]
async fn the_window_is_shown_and_reaches_back_as_far_as_it_is_told() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let window = node.done("window", json!({})).await;
    assert_eq!((&window["on"], &window["more"], &window["exchanges"]), (&json!(true), &json!(false), &json!([])));
    assert_eq!(window["records"], json!({"worked": 0, "dated": 0}));
    let hours_back = |window: &serde_json::Value| (now_s() - window["since"].as_u64().unwrap()) / 3_600;
    assert_eq!(hours_back(&window), 24, "it is new");
    assert_eq!(node.done("catchup", json!({"hours": 168})).await, json!({"hours": 168, "neighbours": 0}));
    until("it reaches back", || async { hours_back(&node.done("window", json!({})).await) == 168 }).await;
    let why = node.refused(-32602, "catchup", json!({"hours": 169})).await;
    assert!(why.contains("from 1 to 168"), "{why}");
    node.stop().await;

    let dir = TempDir::new().unwrap();
    let node = TestNode::start_with(&dir, |config| config.window = None).await;
    assert_eq!(node.done("window", json!({})).await, json!({"on": false}));
    let why = node.refused(-32602, "catchup", json!({"hours": 1})).await;
    assert!(why.contains("window_mib"), "{why}");
    node.stop().await;
}

fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn the_status_says_where_a_damaged_store_lies() {
    let dir = TempDir::new().unwrap();
    TestNode::start(&dir).await.stop().await;
    let file = dir.path().join("nightjar.db");
    std::fs::write(&file, "this is no store any more. ".repeat(100)).unwrap();
    let node = TestNode::start(&dir).await;
    let status = node.done("nodestatus", json!({})).await;
    let aside = status["store_put_aside"].as_str().unwrap();
    assert!(aside.starts_with(&format!("{}.damaged-", file.display())) && std::path::Path::new(aside).exists());
    node.stop().await;
    let node = TestNode::start(&dir).await;
    assert!(node.done("nodestatus", json!({})).await.get("store_put_aside").is_none(), "the new one is in order");
    node.stop().await;
}

#[tokio::test]
async fn a_method_without_parameters_takes_none() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    for method in ["nodestatus", "getconnections", "listtargets"] {
        let message = node.refused(-32602, method, json!({"x": 1})).await;
        assert!(message.contains("this method takes none"), "{message}");
    }
    node.stop().await;
}

#[tokio::test]
async fn without_the_token_nothing_is_told_but_where_it_is() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let request = json!({"jsonrpc": "2.0", "method": "nodestatus", "id": 1}).to_string();
    for headers in ["", "authorization: Bearer 0000\r\n"] {
        let (status, body) = http(node.server, headers, &request).await;
        assert_eq!(status, 401);
        assert!(body.contains(&node.data.token_file().display().to_string()) && !body.contains(&node.token), "{body}");
    }
    node.stop().await;
}

#[tokio::test]
async fn when_the_node_has_ended_a_call_says_so() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let TestNode { node: engine, data: _held, server, token, stop, serving } = node;
    engine.stop().await;
    let request = |method: &str, params: serde_json::Value| {
        json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).to_string()
    };
    let headers = format!("authorization: Bearer {token}\r\n");
    for (method, params) in [
        ("listtargets", json!({})),
        ("listen", json!({"name": "#x"})),
        ("unlisten", json!({"name": "#x"})),
        ("sendmessage", json!({"name": "#x", "text": "x"})),
        ("addnode", json!({"addr": "127.0.0.1:1"})),
        ("getaccount", json!({"account": 1})),
        ("sendwallet", json!({"addr": "127.0.0.1:1", "text": "x"})),
    ] {
        let (status, body) = http(server, &headers, &request(method, params)).await;
        assert_eq!(status, 200);
        assert!(body.contains("\"code\":1030"), "{method}: {body}");
    }
    drop(stop);
    serving.await.unwrap();
}
