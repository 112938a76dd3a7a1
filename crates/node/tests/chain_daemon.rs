//! The user's daemon: what it answers is understood, what no daemon answers is an error that says so, and the double that
//! stands for one answers as was captured.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use std::collections::BTreeSet;
use std::time::Duration;

use nightjar_core::chain::ListingKind;
use nightjar_node::chain::daemon::{ANSWER_BYTES_MAX, Daemon, DaemonError};
use nightjar_node::foreign::{Manner, WalletAccount, WalletDaemon};
use nightjar_pasc::key::PublicKey;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Transcripts of the kinds that the double knows. All others call methods that it has no use for.
const REPLAYED: &[&str] = &[
    "node status",
    "string id echoed",
    "null id",
    "no jsonrpc member",
    "params as array",
    "path ignored",
    "GET without body",
    "PUT",
    "invalid JSON",
    "not an object",
    "batch",
    "empty body",
    "unknown method",
    "upper-case method",
    "getaccount no blockchain",
    "getaccount missing param",
    "getaccount bad checksum",
    "getaccount text number",
    "lock (empty password)",
    "setwalletpassword",
    "lock",
    "unlock wrong",
    "unlock right",
    "unlock missing",
    "setwalletpassword empty",
    "exact name",
    "exact name in mixed case: lower-cased before the search",
    "free name",
    "impossible name: error 1006",
    "exact name, wrong type",
    "by number",
    "number and checksum",
    "unknown account",
    "name instead of a number: error 1002",
];

fn captured() -> (Vec<Value>, Vec<Value>) {
    let calls: Value = serde_json::from_str(include_str!("vectors/jsonrpc_transcripts.json")).unwrap();
    let accounts: Value = serde_json::from_str(include_str!("../../wire/tests/vectors/get_account.json")).unwrap();
    (calls["calls"].as_array().unwrap().clone(), accounts["jsonrpc"].as_array().unwrap().clone())
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

async fn wallet() -> WalletDaemon {
    WalletDaemon::bind("127.0.0.1:0".parse().unwrap()).await.unwrap()
}

fn ask(wallet: &WalletDaemon) -> Daemon {
    Daemon::at(&wallet.address().to_string())
}

/// Account 40 as it was captured.
fn account_40() -> WalletAccount {
    let (_, calls) = captured();
    let call = calls.iter().find(|call| call["note"] == "by number").unwrap();
    let answer: Value = serde_json::from_str(call["response"].as_str().unwrap()).unwrap();
    let (key, _) = PublicKey::parse_raw(&bytes(answer["result"]["enc_pubkey"].as_str().unwrap())).unwrap();
    WalletAccount {
        balance: 999_999,
        n_operation: 1,
        updated_active: 532,
        updated_passive: 8,
        name: "pip38-test.chat".to_owned(),
        account_type: 1038,
        data: vec![0xc0, 0xff, 0xee],
        seal: bytes(answer["result"]["seal"].as_str().unwrap()).try_into().unwrap(),
        ..WalletAccount::new(key)
    }
}

#[tokio::test]
async fn the_double_answers_byte_for_byte_as_was_captured() {
    let (calls, accounts) = captured();
    let with_chain = wallet().await;
    with_chain.advance(536);
    with_chain.put_account(40, account_40());
    let without = wallet().await;
    let mut replayed = BTreeSet::new();
    for (daemon, call) in
        calls.iter().map(|call| (&without, call)).chain(accounts.iter().map(|call| (&with_chain, call)))
    {
        let Some(note) = REPLAYED.iter().find(|note| call["note"] == **note) else { continue };
        replayed.insert(*note);
        let body = call["request"].as_str().unwrap_or_default();
        let line = call["http"].as_str().unwrap_or("POST /");
        let mut stream = TcpStream::connect(daemon.address()).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let mut wanted = String::from("HTTP/1.1 200\r\n");
        for header in call["headers"].as_array().unwrap_or(calls[0]["headers"].as_array().unwrap()) {
            let (name, value) = (header[0].as_str().unwrap(), header[1].as_str().unwrap());
            let length = call["response"].as_str().unwrap().len().to_string();
            let value = if name == "Content-length" { &length } else { value };
            wanted.push_str(&format!("{name}: {value}\r\n"));
        }
        wanted.push_str(&format!("\r\n{}", call["response"].as_str().unwrap()));
        assert_eq!(answer, wanted, "{note}");
    }
    assert_eq!(replayed.len(), REPLAYED.len());
}

#[tokio::test]
async fn what_a_daemon_answers_is_understood() {
    let daemon = wallet().await;
    let asked = ask(&daemon);
    assert_eq!(asked.status().await.unwrap().blocks, 0);
    assert_eq!(asked.account(40).await, Ok(None));
    assert_eq!(asked.find("pip38-test.chat").await, Ok(None));
    daemon.advance(536);
    daemon.put_account(40, account_40());
    daemon.set_ready(false);
    daemon.lock_with("secret");
    let status = asked.status().await.unwrap();
    assert_eq!((status.blocks, status.locked, status.version.as_str()), (536, true, "5.8"));
    assert_eq!(status.ready, Err("Alone in the world...".to_owned()));
    let account = asked.account(40).await.unwrap().unwrap();
    assert_eq!((account.number, account.updated, account.listed), (40, 532, None));
    assert_eq!((account.name.as_str(), &account.key), ("pip38-test.chat", &account_40().key));
    assert_eq!(asked.find("pip38-test.chat").await, Ok(Some(account)));
    for none in ["PIP38-Test.Chat", "nosuchname", "1abc", "", &"x".repeat(65)] {
        assert_eq!(asked.find(none).await, Ok(None), "{none}");
    }
    assert!(asked.find("a\"}{/\u{e9}").await.unwrap().is_none());
}

#[test]
fn every_captured_account_is_understood() {
    let (_, calls) = captured();
    let daemon = Daemon::at("127.0.0.1:4003");
    let mut states = Vec::new();
    for call in calls {
        let mut answer: Value = serde_json::from_str(call["response"].as_str().unwrap()).unwrap();
        let found = match answer["result"].take() {
            Value::Array(found) => found,
            Value::Null => continue,
            one => vec![one],
        };
        for account in found {
            let number = u32::try_from(account["account"].as_u64().unwrap()).unwrap();
            let answer = json!({ "result": account, "id": 1 }).to_string();
            let account = daemon.read_account(number, answer.as_bytes()).unwrap().unwrap();
            states.push(account.listed);
        }
    }
    assert!(states.contains(&None) && states.contains(&Some(ListingKind::Sale)), "{states:?}");
}

#[tokio::test]
async fn a_daemon_that_does_not_answer_as_one_ends_in_an_error_that_says_so() {
    let daemon = wallet().await;
    let asked = ask(&daemon).with_patience(Duration::from_secs(5));
    let brief = asked.clone().with_patience(Duration::from_millis(50));
    let error = |manner: Manner, asked: Daemon| {
        daemon.behave(manner);
        async move { asked.account(40).await.unwrap_err() }
    };
    assert!(matches!(error(Manner::Silent, brief).await, DaemonError::Slow { method: "getaccount", .. }));
    assert!(matches!(error(Manner::Closes, asked.clone()).await, DaemonError::Http { .. }));
    assert!(matches!(error(Manner::Breaks, asked.clone()).await, DaemonError::Http { .. }));
    assert!(matches!(error(Manner::Endless, asked.clone()).await, DaemonError::TooLong { .. }));
    assert!(matches!(error(Manner::EndlessHead, asked.clone()).await, DaemonError::Http { .. }));
    let long = format!("{{\"result\":\"{}\"}}", "x".repeat(ANSWER_BYTES_MAX));
    assert!(matches!(error(Manner::Says(long), asked.clone()).await, DaemonError::TooLong { .. }));
    let deep = "[".repeat(100_000);
    assert!(matches!(error(Manner::Says(deep), asked.clone()).await, DaemonError::NoJson { .. }));
    assert!(matches!(error(Manner::Says(String::new()), asked.clone()).await, DaemonError::NoJson { .. }));
    let no_data = error(Manner::Says(r#"{"error":{"code":100,"message":"No\u0007data"}}"#.to_owned()), asked).await;
    assert_eq!(
        no_data.to_string(),
        format!("the PascalCoin daemon at {} refuses getaccount: No data (error 100)", daemon.address())
    );
    let address = daemon.address().to_string();
    drop(daemon);
    let gone = Daemon::at(&address);
    let unreachable = async {
        // The listener goes when its task has noticed.
        while !matches!(gone.status().await, Err(DaemonError::Unreachable { .. })) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), unreachable).await.unwrap();
}

#[test]
fn a_member_of_a_wrong_kind_is_named() {
    let daemon = Daemon::at("127.0.0.1:4003");
    let key = nightjar_key();
    let good = json!({ "account": 40, "enc_pubkey": key, "state": "normal", "name": "", "updated_b": 5 });
    let answer = |result: &Value| json!({ "result": result, "id": 1 }).to_string();
    assert!(daemon.read_account(40, answer(&good).as_bytes()).unwrap().is_some());
    let wrong = [
        ("account", json!("40")),
        ("account", json!(41)),
        ("account", json!(-1)),
        ("account", json!(4_294_967_296u64)),
        ("enc_pubkey", json!("CA02")),
        ("enc_pubkey", json!("xyz")),
        ("enc_pubkey", json!(format!("{key}00"))),
        ("enc_pubkey", json!("000000000000")),
        ("enc_pubkey", Value::Null),
        ("state", json!("sold")),
        ("name", json!(["a"])),
        ("name", json!("x".repeat(65))),
        ("name", json!("\u{202e}nightjar")),
        ("updated_b", json!(1.5)),
    ];
    for (field, value) in wrong {
        let mut account = good.clone();
        account[field] = value.clone();
        let error = daemon.read_account(40, answer(&account).as_bytes()).unwrap_err();
        assert!(
            matches!(&error, DaemonError::Field { field: named, .. } if *named == field),
            "{field} {value}: {error}"
        );
        assert!(error.to_string().contains(&format!("`{field}`")), "{error}");
    }
    let status = json!({ "ready": 1, "ready_s": "", "locked": false, "blocks": 1, "version": "5" });
    let error = daemon.read_status(answer(&status).as_bytes()).unwrap_err();
    assert!(matches!(error, DaemonError::Field { field: "ready", .. }), "{error}");
    let other = json!({ "result": good, "id": 2 }).to_string();
    assert!(matches!(daemon.read_account(40, other.as_bytes()), Err(DaemonError::Field { field: "id", .. })));
    let two = answer(&json!([good, good]));
    assert!(matches!(daemon.read_found("", two.as_bytes()), Err(DaemonError::Field { field: "result", .. })));
}

fn nightjar_key() -> String {
    account_40().key.to_raw().iter().map(|byte| format!("{byte:02X}")).collect()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 6, |inner| {
        let member =
            prop_oneof!["[a-z_]{1,10}", Just("result".to_owned()), Just("error".to_owned()), Just("id".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(member, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_answer_makes_the_reader_panic(json in any_json(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let daemon = Daemon::at("127.0.0.1:4003");
        for answer in [json.to_string().into_bytes(), json!({ "result": json, "id": 1 }).to_string().into_bytes(), bytes] {
            // An account comes from a whole, well-formed answer only; most are none.
            let account = daemon.read_account(40, &answer);
            prop_assert!(!matches!(&account, Ok(Some(account)) if account.number != 40));
            prop_assert!(daemon.read_status(&answer).is_err() || json["version"].is_string());
            prop_assert!(!matches!(daemon.read_found("nightjar", &answer), Ok(Some(found)) if found.name != "nightjar"));
        }
    }
}
