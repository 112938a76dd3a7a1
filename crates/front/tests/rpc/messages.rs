use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{TestNode, until};

/// Sends a text to a channel that the node listens to and waits until it stands in the log.
async fn note(node: &TestNode, text: &str) -> Value {
    let seq = node.done("getmessages", json!({"since": 0, "limit": 1000})).await["next"].clone();
    let sent = node.done("sendmessage", json!({"name": "#night", "text": text})).await;
    let came = node.done("getmessages", json!({"since": seq, "wait_s": 60})).await;
    assert_eq!(came["messages"][0]["msgid"], sent["msgid"]);
    came["messages"][0].clone()
}

#[tokio::test]
async fn a_text_goes_from_node_to_node_and_is_shown_once() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (a, b) = (TestNode::start(&dirs[0]).await, TestNode::start(&dirs[1]).await);
    b.done("listen", json!({"name": "#night"})).await;
    a.done("addnode", json!({"addr": b.address()})).await;
    until("the link", || async { a.done("getconnections", json!({})).await != json!([]) }).await;

    let sent = a.done("sendmessage", json!({"name": "#Night", "text": "good night", "lifetime_s": 60})).await;
    assert_eq!(sent["peers"], 1);
    let came = b.done("getmessages", json!({"wait_s": 60})).await;
    let message = &came["messages"][0];
    assert_eq!(came["messages"].as_array().unwrap().len(), 1);
    for member in ["msgid", "target", "expiry"] {
        assert_eq!(message[member], sent[member], "{member}");
    }
    assert_eq!((&message["text"], &message["payload"]), (&json!("good night"), &json!("676f6f64206e69676874")));
    assert_eq!((&message["name"], &message["dated"], &message["own"]), (&json!("#night"), &json!(true), &json!(false)));
    assert_eq!((&message["seq"], &came["next"], &came["first"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(b.done("getmessages", json!({"since": 1})).await, json!({"messages": [], "next": 1, "first": 1}));
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_plain_record_has_no_expiry_and_is_hashed_as_it_is_typed() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (a, b) = (TestNode::start(&dirs[0]).await, TestNode::start(&dirs[1]).await);
    let listening = b.done("listen", json!({"name": "#Night"})).await;
    a.done("addnode", json!({"addr": b.address()})).await;
    until("the link", || async { a.done("getconnections", json!({})).await != json!([]) }).await;

    let sent = a.done("sendmessage", json!({"name": "#Night", "payload": "00FF", "plain": true})).await;
    assert_eq!((&sent["expiry"], &sent["target"]), (&Value::Null, &listening["targets"][1]));
    let came = b.done("getmessages", json!({"wait_s": 60})).await;
    let message = &came["messages"][0];
    assert_eq!((&message["payload"], &message["dated"]), (&json!("00ff"), &json!(false)));
    assert!(message.get("text").is_none() && message.get("expiry").is_none(), "{message}");
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn what_was_sent_here_to_a_name_that_is_listened_to_here_is_shown_as_own() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    node.done("listen", json!({"name": "#night"})).await;
    let message = note(&node, "x").await;
    assert_eq!((&message["own"], &message["name"], &message["text"]), (&json!(true), &json!("#night"), &json!("x")));
    node.stop().await;
}

#[tokio::test]
async fn the_log_is_read_page_by_page_and_stands_over_a_restart() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    node.done("listen", json!({"name": "#night"})).await;
    for text in ["a", "b", "c"] {
        note(&node, text).await;
    }
    node.stop().await;
    let node = TestNode::start(&dir).await;
    let (mut since, mut texts) = (json!(0), Vec::new());
    loop {
        let page = node.done("getmessages", json!({"since": since, "limit": 2})).await;
        let messages = page["messages"].as_array().unwrap();
        if messages.is_empty() {
            break;
        }
        assert!(messages.len() <= 2);
        texts.extend(messages.iter().map(|message| message["text"].clone()));
        since = page["next"].clone();
    }
    assert_eq!(texts, ["a", "b", "c"]);
    node.stop().await;
}

#[tokio::test]
async fn a_name_filters_the_log() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    for name in ["#night", "#day"] {
        node.done("listen", json!({"name": name})).await;
        node.done("sendmessage", json!({"name": name, "text": name})).await;
    }
    until("both messages", || async { node.done("getmessages", json!({})).await["next"] == json!(2) }).await;
    for name in ["#night", "#day"] {
        let page = node.done("getmessages", json!({"name": name})).await;
        assert_eq!(page["messages"].as_array().unwrap().len(), 1);
        assert_eq!(page["messages"][0]["text"], name);
    }
    let none = node.done("getmessages", json!({"name": "#noon"})).await;
    assert_eq!((&none["messages"], &none["next"]), (&json!([]), &json!(2)));
    node.stop().await;
}

#[tokio::test]
async fn a_call_that_waits_gets_the_message_when_it_comes() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    node.done("listen", json!({"name": "#night"})).await;
    let waiting = node.done("getmessages", json!({"wait_s": 60}));
    let sending = node.done("sendmessage", json!({"name": "#night", "text": "x"}));
    let (came, sent) = tokio::join!(waiting, sending);
    assert_eq!(came["messages"][0]["msgid"], sent["msgid"]);
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_its_limit() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let with = |more: Value| {
        let mut params = json!({"name": "#night", "text": "x"});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    for (params, says) in [
        (with(json!({"text": "x".repeat(65_537)})), "65536"),
        (with(json!({"text": "x".repeat(256), "plain": true})), "255"),
        (with(json!({"lifetime_s": 9})), "10 to 3600"),
        (with(json!({"lifetime_s": 3601})), "10 to 3600"),
        (with(json!({"lifetime_s": u64::MAX})), "10 to 3600"),
        (with(json!({"lifetime_s": 60, "plain": true})), "no lifetime"),
    ] {
        let message = node.refused(1016, "sendmessage", params).await;
        assert!(message.contains(says), "{message}");
    }
    for (params, says) in [
        (json!({"name": "#night"}), "parameter \"text\" or \"payload\" is missing"),
        (with(json!({"payload": "00"})), "exclude each other"),
        (json!({"name": "#night", "payload": "0g"}), "parameter \"payload\": 'g' is no hex digit"),
        (with(json!({"plain": "yes"})), "parameter \"plain\": a text is given, true or false is wanted"),
        (with(json!({"lifetime": 60})), "did you mean \"lifetime_s\"?"),
        (with(json!({"target": "00".repeat(16)})), "one of the parameters"),
        (json!({"text": "x"}), "one of the parameters"),
        (with(json!({"key": "8a".repeat(32)})), "#night is a channel"),
        (json!({"name": "raven", "key": "8a", "text": "x"}), "not a chat key"),
        (json!({"key": "00", "text": "x"}), "not a chat key"),
        (with(json!({"kind": "txt"})), "did you mean \"text\"?"),
        (with(json!({"kind": "card"})), "is none of text"),
        (with(json!({"payload_method": "chanel"})), "did you mean \"channel\"?"),
        (with(json!({"payload_method": "aes"})), "parameter \"pwd\" is missing"),
        (with(json!({"pwd": "x"})), "for \"payload_method\": \"aes\" alone"),
        (with(json!({"reply_to": "00"})), "1 bytes are given, 16 (an id) or its first 8 are wanted"),
        (with(json!({"correlation": "00".repeat(16)})), "16 bytes are given, 8 are wanted"),
        (with(json!({"plain": true, "reply_to": "00".repeat(8)})), "no room for parameter \"reply_to\""),
        (with(json!({"plain": true, "work": true})), "no room for parameter \"work\""),
    ] {
        let message = node.refused(-32602, "sendmessage", params).await;
        assert!(message.contains(says), "{message}");
    }
    assert_eq!(node.done("nodestatus", json!({})).await["counters"]["published"], 0);
    node.stop().await;
}

#[tokio::test]
async fn a_read_beyond_its_bounds_is_refused() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    for params in [
        json!({"limit": 0}),
        json!({"limit": 1001}),
        json!({"wait_s": 61}),
        json!({"since": -1}),
        json!({"since": "0"}),
    ] {
        node.refused(-32602, "getmessages", params).await;
    }
    let empty = node.done("getmessages", json!({})).await;
    assert_eq!(empty, json!({"messages": [], "next": 0, "first": 0}));
    node.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_peer_is_listed_taken_back_and_told_as_a_change() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    node.done("identitynew", json!({"nick": "raven"})).await;
    let sent = node.done("sendmessage", json!({"name": "#a", "text": "anybody?", "deadline_s": 60})).await;
    assert_eq!((&sent["peers"], sent["waits_until"].is_u64()), (&json!(0), true));
    let waiting = node.done("outbox", json!({})).await;
    assert_eq!((&waiting[0]["id"], &waiting[0]["conversation"]), (&sent["id"], &json!("#a")));
    let first = node.done("getmessages", json!({"changes": true})).await;
    let message = &first["messages"][0];
    assert_eq!(
        (&message["event"], &message["delivery"], &message["own"]),
        (&json!("stored"), &json!("queued"), &json!(true))
    );
    assert_eq!(node.done("cancelmessage", json!({"id": sent["id"]})).await, json!({"cancelled": true}));
    assert_eq!(node.done("cancelmessage", json!({"id": sent["id"]})).await, json!({"cancelled": false}));
    assert_eq!(node.done("outbox", json!({})).await, json!([]));
    let then = json!({"changes": true, "since": first["next"], "wait_s": 30});
    let page = node.done("getmessages", then).await;
    let change = &page["messages"][0];
    assert_eq!(
        (&change["event"], &change["of"], &change["delivery"]),
        (&json!("changed"), &message["seq"], &json!("failed"))
    );
    assert!(change["delivery_error"].as_str().unwrap().contains("taken back"));
    // Who wants messages alone gets it once, as it is now.
    let all = node.done("getmessages", json!({})).await;
    assert_eq!((all["messages"].as_array().unwrap().len(), &all["messages"][0]["delivery"]), (1, &json!("failed")));
    assert!(all["messages"][0].get("event").is_none());
    node.refused(-32602, "cancelmessage", json!({"id": "ff"})).await;
    node.refused(-32602, "sendmessage", json!({"name": "#a", "text": "x", "deadline_s": 604_801})).await;
    node.stop().await;
}

#[tokio::test]
async fn what_was_said_is_found_counted_and_erased() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (a, b) = (TestNode::start(&dirs[0]).await, TestNode::start(&dirs[1]).await);
    b.done("listen", json!({"name": "#night"})).await;
    b.done("identitynew", json!({"nick": "owl"})).await;
    a.done("addnode", json!({"addr": b.address()})).await;
    until("the link", || async { a.done("getconnections", json!({})).await != json!([]) }).await;
    let key = a.done("identitynew", json!({"nick": "raven"})).await["key"].clone();
    for text in ["good night, owl!", "Gute Nächte"] {
        a.done("sendmessage", json!({"name": "#night", "text": text})).await;
    }
    until("both come", || async { b.done("nodestatus", json!({})).await["seq"].as_u64() >= Some(2) }).await;
    let all =
        |page: &Value| page["messages"].as_array().unwrap().iter().map(|it| it["text"].clone()).collect::<Vec<_>>();
    let found = b.done("search", json!({"words": "nachte", "name": "#night", "author": key})).await;
    assert_eq!(all(&found), [json!("Gute Nächte")]);
    let found = b.done("search", json!({"words": "g*", "limit": 1})).await;
    assert_eq!((all(&found).len(), found["next"].is_u64()), (1, true));
    let rest = b.done("search", json!({"words": "g*", "before": found["next"]})).await;
    assert_eq!((all(&rest), rest.get("next")), (vec![json!("good night, owl!")], None));
    let held = b.done("conversations", json!({})).await;
    assert_eq!(
        (&held[0]["conversation"], &held[0]["unread"], &held[0]["mentions"]),
        (&json!("#night"), &json!(2), &json!(1))
    );
    b.done("markread", json!({"conversation": "#night", "seq": held[0]["last_seq"]})).await;
    assert_eq!(b.done("conversations", json!({})).await[0]["unread"], json!(0));
    b.refused(-32602, "erase", json!({})).await;
    b.refused(-32602, "erase", json!({"name": "#night", "all": true})).await;
    assert_eq!(b.done("erase", json!({"name": "#night"})).await, json!({"erased": 2}));
    assert_eq!(all(&b.done("search", json!({"words": "g*"})).await), Vec::<Value>::new());
    assert_eq!(b.done("conversations", json!({})).await, json!([]));
    a.stop().await;
    b.stop().await;
}
