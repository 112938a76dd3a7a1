use nightjar_core::record::BODY_BYTES_MAX;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::TestNode;

/// The chat key of nobody here.
const STRANGER: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

/// Two nodes that are linked, each with an identity.
async fn two(dirs: &[TempDir; 2]) -> [TestNode; 2] {
    let [alice, bob] = [TestNode::start(&dirs[0]).await, TestNode::start(&dirs[1]).await];
    for node in [&alice, &bob] {
        node.done("listen", json!({"name": "alice"})).await;
        node.done("listen", json!({"name": "bob"})).await;
    }
    alice.done("addnode", json!({"addr": bob.address()})).await;
    while alice.done("getconnections", json!({})).await.as_array().unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    alice.done("identitynew", json!({"nick": "Alice"})).await;
    bob.done("identitynew", json!({"nick": "bob"})).await;
    [alice, bob]
}

/// Waits until a nick is known.
async fn known(node: &TestNode, nick: &str) -> Value {
    let all = async {
        loop {
            let found = node.done("whois", json!({"who": nick})).await;
            if let [one] = found.as_array().unwrap().as_slice() {
                return one.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::HANGS, all).await.expect("a card comes")
}

/// Waits for the first message that is behind `since` and passes.
async fn next(node: &TestNode, since: u64) -> Value {
    let page = node.done("getmessages", json!({"since": since, "wait_s": 60})).await;
    page["messages"][0].clone()
}

#[tokio::test]
async fn a_sealed_first_contact_is_a_request_and_its_answer_names_what_it_answers() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [alice, bob] = two(&dirs).await;
    let his = known(&alice, "bob").await;
    assert_eq!((&his["state"], &his["own"], &his["relation"]), (&json!("claimed"), &json!(false), &Value::Null));

    let sent = alice.done("sendmessage", json!({"name": "bob", "text": "are you there?"})).await;
    assert_eq!((&sent["sealed"], &sent["to"], &sent["to_state"]), (&json!("chatkey"), &his["key"], &json!("claimed")));
    let came = next(&bob, 0).await;
    for (member, wanted) in [
        ("text", json!("are you there?")),
        ("id", sent["id"].clone()),
        ("author", sent["author"].clone()),
        ("nick", json!("alice")),
        ("state", json!("claimed")),
        ("verified", json!(true)),
        ("sealed", json!("chatkey")),
        ("kind", json!("text")),
        ("request", json!(true)),
        ("own", json!(false)),
    ] {
        assert_eq!(came[member], wanted, "{member}: {came}");
    }
    let requests = bob.done("requests", json!({})).await;
    assert_eq!((&requests[0]["key"], &requests[0]["nick"]), (&sent["author"], &json!("alice")));

    let answer = json!({"key": sent["author"], "text": "yes", "reply_to": sent["id"]});
    bob.done("sendmessage", answer).await;
    let all = alice.done("getmessages", json!({"name": "bob"})).await;
    let since = all["next"].as_u64().unwrap();
    let came = if all["messages"].as_array().unwrap().len() > 1 {
        all["messages"][1].clone()
    } else {
        next(&alice, since).await
    };
    assert_eq!((&came["text"], came.get("request")), (&json!("yes"), None));
    assert_eq!(came["reply_to"], json!(&sent["id"].as_str().unwrap()[..16]));
    assert_ne!(came["target"], sent["target"], "on a target of the two");
    assert_eq!(bob.done("requests", json!({})).await, json!([]));
    // Both sides of the talk stand under one name.
    let mut texts = Vec::new();
    let mut since = 0;
    // What one sends stands in the log as soon as the disk has it, which may be after the answer.
    while texts.len() < 2 {
        let page = bob.done("getmessages", json!({"name": "alice", "since": since, "wait_s": 60})).await;
        let messages = page["messages"].as_array().unwrap();
        assert!(!messages.is_empty(), "only {texts:?} came");
        texts.extend(messages.iter().map(|message| message["text"].clone()));
        since = page["next"].as_u64().unwrap();
    }
    assert_eq!(texts, ["are you there?", "yes"]);

    assert_eq!(bob.done("decline", json!({"key": sent["author"]})).await, json!({"relation": "declined"}));
    assert_eq!(bob.done("accept", json!({"key": sent["author"]})).await, json!({"relation": "contact"}));
    for method in ["accept", "decline"] {
        assert!(bob.refused(1010, method, json!({"key": STRANGER})).await.contains(STRANGER));
    }
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn every_kind_of_message_is_told_with_all_that_it_says() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [alice, bob] = two(&dirs).await;
    bob.done("listen", json!({"name": "#a"})).await;
    let request = json!({
        "name": "#a", "kind": "request", "payload": "7b7d", "content_type": "json", "correlation": "0102030405060708",
        "reply_to": "11".repeat(16), "identity": "alice", "work": true,
    });
    let sent = alice.done("sendmessage", request).await;
    assert_eq!(sent["work_bits"], 20);
    let came = next(&bob, 0).await;
    for (member, wanted) in [
        ("kind", json!("request")),
        ("payload", json!("7b7d")),
        ("content_type", json!("json")),
        ("correlation", json!("0102030405060708")),
        ("reply_to", json!("11".repeat(8))),
        ("sealed", json!("none")),
    ] {
        assert_eq!(came[member], wanted, "{member}: {came}");
    }
    assert!(came["time"].as_u64().unwrap() > 1_600_000_000_000);
    assert!(came.get("text").is_none() && came.get("coding").is_none(), "{came}");
    let since = came["seq"].as_u64().unwrap();
    alice.done("sendmessage", json!({"name": "#a", "text": "by nobody", "identity": "none"})).await;
    let came = next(&bob, since).await;
    assert_eq!((&came["state"], &came["verified"], came.get("author")), (&json!("anonymous"), &json!(false), None));
    // Longer than one record.
    let long = "xyzzy".repeat(BODY_BYTES_MAX);
    let since = came["seq"].as_u64().unwrap();
    alice.done("sendmessage", json!({"name": "#a", "text": long, "identity": "alice"})).await;
    assert_eq!(next(&bob, since).await["text"], json!(long));
    let wrong = json!({"name": "#a", "text": "x", "identity": "mallory"});
    assert!(alice.refused(1010, "sendmessage", wrong).await.contains("mallory"));
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn a_channel_is_joined_with_words_and_left_again() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [alice, bob] = two(&dirs).await;
    let joined = alice.done("join", json!({"name": "#Den", "passphrase": ""})).await;
    let words = joined["passphrase"].as_str().unwrap();
    assert_eq!(words.split(' ').count(), 6);
    let again = bob.done("join", json!({"name": "#den", "passphrase": words})).await;
    assert_eq!(again, json!({"name": "#den", "sealed": true}));
    assert_eq!(alice.done("listjoined", json!({})).await, json!([{"name": "#Den", "passphrase": true, "pwd": false}]));
    alice.done("sendmessage", json!({"name": "#den", "text": "only for us"})).await;
    let came = next(&bob, 0).await;
    assert_eq!(
        (&came["text"], &came["sealed"], &came["conversation"]),
        (&json!("only for us"), &json!("channel"), &json!("#den"))
    );
    assert_eq!(bob.done("getmessages", json!({"name": "#den"})).await["messages"][0]["text"], "only for us");
    assert!(alice.refused(-32602, "join", json!({"name": "#a", "passphrase": "hunter2"})).await.contains("weak"));
    alice.done("join", json!({"name": "#a", "passphrase": "hunter2", "weak": true})).await;
    alice.refused(-32602, "join", json!({"name": "bob", "passphrase": ""})).await;
    assert_eq!(alice.done("part", json!({"name": "#den"})).await, json!({"removed": true}));
    assert_eq!(alice.done("part", json!({"name": "#den"})).await, json!({"removed": false}));
    // PascalCoin's own seal, for who set the password.
    bob.done("join", json!({"name": "bob", "pwd": "geheim"})).await;
    let since = bob.done("getmessages", json!({})).await["next"].clone();
    let sealed = json!({"name": "bob", "text": "grüße", "payload_method": "aes", "pwd": "geheim"});
    alice.done("sendmessage", sealed).await;
    let came = next(&bob, since.as_u64().unwrap()).await;
    assert_eq!((&came["text"], &came["sealed"], &came["verified"]), (&json!("grüße"), &json!("aes"), &json!(false)));
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn an_identity_is_made_locked_moved_and_ended() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [one, other] = [TestNode::start(&dirs[0]).await, TestNode::start(&dirs[1]).await];
    assert_eq!(one.done("identitylist", json!({})).await["identities"], json!([]));
    let made = one.done("identitynew", json!({"nick": "Raven"})).await;
    assert_eq!((&made["nick"], &made["default"]), (&json!("raven"), &json!(true)));
    let second = one.done("identitynew", json!({})).await;
    assert_eq!((&second["nick"], &second["default"]), (&Value::Null, &json!(false)));
    assert_eq!(one.done("identitydefault", json!({"which": second["key"]})).await["default"], json!(true));
    assert_eq!(one.done("identitynick", json!({"which": "raven", "nick": "crow"})).await["nick"], json!("crow"));
    assert!(one.refused(-32602, "identitynew", json!({"nick": "9"})).await.contains("nick"));
    one.refused(1010, "identitydefault", json!({"which": "raven"})).await;

    let file = one.done("identityexport", json!({"which": "crow", "passphrase": "a long one"})).await;
    other.refused(-32602, "identityimport", file.clone()).await;
    let wrong = json!({"file": file["file"], "passphrase": "another one"});
    other.refused(-32602, "identityimport", wrong).await;
    let right = json!({"file": file["file"], "passphrase": "a long one"});
    assert_eq!(other.done("identityimport", right).await["key"], made["key"]);

    let set = one.done("identitypassphrase", json!({"new": "for the disk"})).await;
    assert_eq!(set, json!({"locked": false, "passphrase": true}));
    assert_eq!(one.done("identitylock", json!({})).await, json!({"locked": true, "passphrase": true}));
    // While it is locked nobody speaks, unless that is wanted.
    let as_crow = json!({"name": "#a", "text": "x", "identity": "crow"});
    one.refused(1010, "sendmessage", as_crow.clone()).await;
    one.refused(1021, "identityunlock", json!({"passphrase": "wrong"})).await;
    assert_eq!(one.done("identityunlock", json!({"passphrase": "for the disk"})).await["locked"], json!(false));
    one.done("sendmessage", as_crow.clone()).await;
    one.refused(1021, "identitypassphrase", json!({"old": "wrong"})).await;

    assert!(one.done("identityrevoke", json!({"which": "crow"})).await["revoked"].is_u64());
    assert!(one.refused(1010, "sendmessage", as_crow).await.contains("revoked"));
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn whom_one_asks_about_is_a_name_or_a_key() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let made = node.done("identitynew", json!({"nick": "cafe"})).await;
    let key = made["key"].as_str().unwrap();
    // Decimal digits alone are an account.
    let digits = (6..=64).find(|digits| key[..*digits].contains(|it: char| it.is_ascii_alphabetic())).unwrap();
    for who in ["@cafe", key, &key[..digits], &key.to_uppercase()[..digits]] {
        let found = node.done("whois", json!({"who": who})).await;
        assert_eq!((&found[0]["key"], &found[0]["own"]), (&made["key"], &json!(true)), "{who}");
    }
    assert_eq!(node.done("whois", json!({"who": "1234-44"})).await, json!([]));
    assert!(node.refused(-32602, "whois", json!({"who": "1234-45"})).await.contains("checksum"));
    node.refused(-32602, "whois", json!({"who": "x".repeat(1000)})).await;
    node.stop().await;
}
