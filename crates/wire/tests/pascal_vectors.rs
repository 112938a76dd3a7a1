//! What a real daemon said, and what it was content with: frames, HELLOs, texts and accounts captured from one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod common;

use common::{at, pascal};
use nightjar_core::chain::{AccountState, AccountStatus, ListingKind, Network};
use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Control};
use nightjar_core::link::AGENT_BYTES_MAX;
use nightjar_core::record::{MsgId, Record, Target};
use nightjar_core::time::Wall;
use nightjar_pasc::key::{Curve, PrivateKey};
use nightjar_wire::pascal::accounts::{ACCOUNT_BYTES_MAX, Range, parse_answer};
use nightjar_wire::pascal::frame::{HEADER_BYTES, Header, Records, Transfer, frame, operation};
use nightjar_wire::pascal::hello::{Hello, SERVERS_MAX, Server};
use nightjar_wire::pascal::{ERROR_BYE, Feature, PascalConfig};
use nightjar_wire::session::{Session, SessionEvent};
use proptest::prelude::*;
use serde_json::Value;

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn frames() -> Vec<Value> {
    vectors(include_str!("vectors/frames.json"))["frames"].as_array().unwrap().clone()
}

fn accounts() -> Vec<Value> {
    vectors(include_str!("vectors/get_account.json"))["frames"].as_array().unwrap().clone()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    // A scalar is written without leading zeros.
    let text = format!("{}{text}", if text.len() % 2 == 1 { "0" } else { "" });
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

fn network(bytes: &[u8]) -> Network {
    if bytes[0] == 0x80 { Network::Main } else { Network::Test }
}

fn parsed(bytes: &[u8]) -> (Header, &[u8]) {
    let header = Header::parse(network(bytes), bytes).unwrap().unwrap();
    assert_eq!(bytes.len(), HEADER_BYTES + header.length as usize);
    (header, &bytes[HEADER_BYTES..])
}

#[test]
fn every_captured_header_is_read_and_written_back() {
    for captured in frames().iter().chain(&accounts()) {
        for bytes in ["frame", "request", "response"].map(|name| &captured[name]) {
            if bytes.is_null() {
                continue;
            }
            let mut bytes = hex(bytes);
            let (header, data) = parsed(&bytes);
            let again = frame(network(&bytes), header, data);
            // What its sender could speak is not ours to repeat.
            bytes[16] = 15;
            assert_eq!(again, bytes);
            if let Some(wanted) = captured["header"].as_object() {
                assert_eq!(u32::from_str_radix(wanted["operation"].as_str().unwrap(), 16), Ok(header.operation.into()));
                assert_eq!(u32::from_str_radix(wanted["error"].as_str().unwrap(), 16), Ok(header.error.into()));
                assert_eq!((number(&wanted["request_id"]), number(&wanted["data_length"])), (header.id, header.length));
                let transfer = [Transfer::Request, Transfer::Response, Transfer::Autosend];
                assert_eq!(header.transfer, transfer[number(&wanted["type"]) as usize - 1]);
            }
            for cut in 0..HEADER_BYTES {
                assert_eq!(Header::parse(network(&bytes), &bytes[..cut]), Ok(None));
            }
            let other = if network(&bytes) == Network::Main { Network::Test } else { Network::Main };
            assert_eq!(Header::parse(other, &bytes), Err(Fault::WrongNetwork));
        }
    }
}

#[test]
fn every_captured_hello_is_read() {
    let mut seen = 0;
    for captured in frames() {
        let bytes = hex(&captured["frame"]);
        let (header, data) = parsed(&bytes);
        if header.operation != operation::HELLO {
            continue;
        }
        seen += 1;
        let (hello, wanted) = (Hello::parse(data).unwrap(), &captured["decoded"]);
        assert_eq!(u32::from(hello.server_port), number(&wanted["server_port"]));
        assert_eq!(hello.key.to_raw(), hex(&wanted["public_key_raw"]));
        assert_eq!(hello.wall_s, number(&wanted["timestamp"]));
        assert_eq!(hello.block, number(&wanted["operation_block"]["block"]));
        assert_eq!(hello.agent, wanted["client_version"].as_str().unwrap());
        assert_eq!(hello.servers.len(), wanted["node_servers"].as_array().unwrap().len());
        if let Some(server) = hello.servers.first() {
            let wanted = &wanted["node_servers"][0];
            assert_eq!((server.host.as_str(), u32::from(server.port)), ("203.0.113.10", number(&wanted["port"])));
            assert_eq!(server.last_contact_s, number(&wanted["last_connection"]));
        }
    }
    assert!(seen >= 7, "{seen}");
}

#[test]
fn our_hello_is_to_the_byte_what_a_daemon_accepted() {
    let captured = &frames()[0];
    let (header, data) = { (parsed(&hex(&captured["frame"])).0, hex(&captured["frame"])[HEADER_BYTES..].to_vec()) };
    let theirs = Hello::parse(&data).unwrap();
    let key = PrivateKey::from_scalar(Curve::Secp256k1, &hex(&captured["private_key"])).unwrap();
    assert_eq!(theirs.key, key.public_key());
    let config = PascalConfig::new(Network::Main, key, Feature::HIDDEN, &theirs.agent, common::Seen::new().view());
    let mut session = pascal(true, config);
    let mut said = Vec::new();
    session.transmit(at(0), &mut said);
    let (ours, said) = parsed(&said);
    assert_eq!(
        (ours.transfer, ours.operation, ours.id, ours.length),
        (header.transfer, header.operation, 1, header.length)
    );
    // All but the clock, which stands behind port and key.
    let clock = 2 + 2 + 70;
    assert_eq!(said[..clock], data[..clock]);
    assert_eq!(said[clock..clock + 4], common::START_S.to_le_bytes());
    assert_eq!(said[clock + 4..], data[clock + 4..]);
}

#[test]
fn a_hello_may_end_behind_its_block_and_more_may_follow() {
    let bytes = hex(&frames()[0]["frame"]);
    let data = &bytes[HEADER_BYTES..];
    // Behind the block: four bytes of count, the version's text, work and hash rate.
    let end = data.len() - 4 - (2 + 9) - 8 - 2;
    let cut = Hello::parse(&data[..end]).unwrap();
    assert_eq!((cut.agent.as_str(), cut.servers.len()), ("", 0));
    assert_eq!(Hello::parse(&data[..end - 1]), Err(Fault::Malformed));
    let longer = [data, &[1, 2, 3]].concat();
    assert_eq!(Hello::parse(&longer), Hello::parse(data));
    let agent = Hello { agent: "v".repeat(300), ..Hello::parse(data).unwrap() };
    assert_eq!(Hello::parse(&agent.write()).unwrap().agent.len(), AGENT_BYTES_MAX);
}

#[test]
fn only_addresses_that_a_daemon_would_believe_are_told() {
    let now = Wall::from_unix_s(1_800_000_000);
    let server = |host: &str, port, age_s: i64| Server {
        host: host.to_owned(),
        port,
        last_contact_s: u32::try_from(1_800_000_000 - age_s).unwrap(),
    };
    let mut hello = Hello::parse(&hex(&frames()[0]["frame"])[HEADER_BYTES..]).unwrap();
    hello.servers = vec![
        server("203.0.113.10", 4004, 5),
        server("node.example", 4004, 3 * 60 * 60),
        server("203.0.113.11", 4005, 5),
        server("203.0.113.12", 4204, 5),
        server("203.0.113.13", 4004, 3 * 60 * 60 + 1),
        server("203.0.113.14", 4004, -1),
        server("203.0.113.15", 4004, 1_800_000_000),
        server("127.0.0.1", 4004, 5),
        server("localhost", 4004, 5),
        server("no host!", 4004, 5),
    ];
    let told: Vec<_> = hello.addresses(Network::Main, now).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["pascal://203.0.113.10:4004", "pascal://node.example:4004"]);
    let told: Vec<_> = hello.addresses(Network::Test, now).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["pascal://203.0.113.12:4204"]);
}

#[test]
fn no_more_servers_are_kept_than_a_daemon_sends() {
    let bytes = hex(&frames()[0]["frame"]);
    let mut data = bytes[HEADER_BYTES..].to_vec();
    let end = data.len() - 4 - (2 + 9) - 8 - 2;
    let rest = data.split_off(end + 4);
    data[end..].copy_from_slice(&60u32.to_le_bytes());
    for _ in 0..60 {
        data.extend([1, 0, b'a', 0xa4, 0x0f, 1, 0, 0, 0]);
    }
    data.extend(rest);
    let hello = Hello::parse(&data).unwrap();
    assert_eq!((hello.servers.len(), hello.agent.as_str()), (SERVERS_MAX, "5.8.pip38"));
}

#[test]
fn texts_that_a_daemon_sealed_for_our_key_are_told() {
    let captured = vectors(include_str!("vectors/message_frames.json"));
    let mut read = 0;
    for vector in captured["vectors"].as_array().unwrap() {
        let curve = match vector["nid"].as_u64().unwrap() {
            714 => Curve::Secp256k1,
            715 => Curve::Secp384r1,
            716 => Curve::Secp521r1,
            _ => continue,
        };
        let Ok(key) = PrivateKey::from_scalar(curve, &hex(&vector["recipient_private_key"])) else { panic!("a key") };
        let config = PascalConfig::new(Network::Main, key, Feature::HIDDEN, "x", common::Seen::new().view());
        let mut session = common::opened_pascal(config);
        session.receive(at(2), &hex(&vector["frame"])).unwrap();
        let text = vector["plaintext"].as_str().unwrap().as_bytes().to_vec();
        let events: Vec<_> = std::iter::from_fn(|| session.poll()).collect();
        assert_eq!(events, [SessionEvent::Control(Control::Wallet { text })], "{}", vector["curve"]);
        read += 1;
    }
    assert!(read >= 6, "{read}");
}

#[test]
fn every_captured_account_is_read_field_by_field() {
    let mut seen = Vec::new();
    for captured in accounts() {
        if captured["response"].is_null() {
            continue;
        }
        let bytes = hex(&captured["response"]);
        let (_, data) = parsed(&bytes);
        let answer = parse_answer(data).unwrap();
        let wanted = &captured["decoded"];
        assert_eq!(answer.block, Some(number(&wanted["block"])));
        assert_eq!(answer.accounts.len(), number(&wanted["count"]) as usize);
        for (account, wanted) in answer.accounts.iter().zip(wanted["accounts"].as_array().unwrap()) {
            assert_account(account, wanted);
            assert!(number(&wanted["record_length"]) as usize <= ACCOUNT_BYTES_MAX);
            seen.push(match &account.status {
                AccountStatus::Normal => None,
                AccountStatus::Listed(listing) => Some(listing.kind),
            });
        }
        for cut in 0..data.len() {
            assert_eq!(parse_answer(&data[..cut]), Err(Fault::Malformed));
        }
        assert_eq!(parse_answer(&[data, &[0]].concat()), Err(Fault::Malformed));
    }
    for kind in [None, Some(ListingKind::Sale), Some(ListingKind::AccountSwap), Some(ListingKind::CoinSwap)] {
        assert!(seen.contains(&kind));
    }
}

fn assert_account(account: &AccountState, wanted: &Value) {
    let info = &wanted["account_info"];
    assert_eq!(account.number, number(&wanted["account"]));
    assert_eq!(account.key, hex(&info["public_key"]));
    assert_eq!(account.balance, wanted["balance"].as_u64().unwrap());
    // The older form has one of the two: the larger.
    let passive = if wanted["updated"].is_null() { "updated_passive" } else { "updated" };
    assert_eq!(account.updated_passive, number(&wanted[passive]));
    assert_eq!(account.n_operation, number(&wanted["n_operation"]));
    assert_eq!(account.name, wanted["name"].as_str().unwrap().as_bytes());
    assert_eq!(u32::from(account.account_type), number(&wanted["type"]));
    if number(&wanted["record_protocol"]) == 4 {
        assert_eq!((account.updated_active, account.data.len(), account.seal.len()), (None, 0, 0));
    } else {
        assert_eq!(account.updated_active, Some(number(&wanted["updated_active"])));
        assert_eq!((&account.data, &account.seal), (&hex(&wanted["data"]), &hex(&wanted["seal"])));
    }
    match &account.status {
        AccountStatus::Normal => assert_eq!(info["state"], "normal"),
        AccountStatus::Listed(listing) => {
            let state = match listing.kind {
                ListingKind::Sale => "for_sale",
                ListingKind::AccountSwap => "account_swap",
                ListingKind::CoinSwap => "coin_swap",
            };
            assert_eq!(info["state"], state);
            assert_eq!(listing.locked_until, number(&info["locked_until_block"]));
            assert_eq!(listing.price, info["price"].as_u64().unwrap());
            assert_eq!(listing.pay_to, number(&info["account_to_pay"]));
            assert_eq!(listing.new_key, hex(&info["new_public_key"]), "{info}");
            let secret = info["hashed_secret"].as_str().map_or(Vec::new(), |_| hex(&info["hashed_secret"]));
            assert_eq!(listing.hashed_secret, secret);
        }
    }
}

#[test]
fn our_questions_are_those_that_a_daemon_answered() {
    let data_of = |name: &str| {
        let captured = accounts().into_iter().find(|captured| captured["name"] == name).unwrap();
        hex(&captured["request"])[HEADER_BYTES..].to_vec()
    };
    assert_eq!(Range::new(100, 1).unwrap().write(), data_of("single"));
    assert_eq!(Range::new(5, 2).unwrap().write(), data_of("range"));
    // Beyond the numbers there is nothing to be asked, and never more than a daemon gives.
    assert_eq!(Range::new(1 << 31, 1), None);
    assert_eq!(Range::new(7, 0), None);
    assert_eq!(Range::new((1 << 31) - 1, 50).unwrap().write(), [1, 0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(Range::new(0, u32::MAX).unwrap().write(), [2, 0, 0, 0, 0, 0xe8, 3, 0, 0]);
}

#[test]
fn the_examples_of_the_page_are_what_is_written() {
    let page = include_str!("../../../docs/wire/pascalcoin.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let transfers = [Transfer::Request, Transfer::Response, Transfer::Autosend];
    let record = Record::plain(MsgId([0x11; 16]), Target([0x22; 16]), b"hi").unwrap();
    let examples: [(usize, u16, u16, u32, Vec<u8>); 5] = [
        (2, operation::GET_PENDING_OPERATIONS, 0, 28, vec![0; 4]),
        (1, operation::RECORDS, 0, 2, Feature::HIDDEN.write()),
        (3, operation::RECORDS, 0, 0, record.bytes().to_vec()),
        (1, operation::GET_ACCOUNT, 0, 3, Range::new(40, 10).unwrap().write()),
        (3, operation::ERROR, ERROR_BYE | u16::from(ByeCode::Full.byte()), 0, b"\x04\0full".to_vec()),
    ];
    for (transfer, operation, error, id, data) in examples {
        let header = Header { transfer: transfers[transfer - 1], operation, error, id, length: 0 };
        let bytes = frame(Network::Main, header, &data);
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        assert!(page.contains(&hex), "docs/wire/pascalcoin.md lacks {hex}");
    }
}

#[test]
fn an_answer_with_accounts_that_were_not_asked_for_is_broken() {
    let captured = accounts().into_iter().find(|captured| captured["name"] == "range").unwrap();
    let data = hex(&captured["response"])[HEADER_BYTES..].to_vec();
    assert_eq!(Range::new(5, 2).unwrap().parse_answer(&data).unwrap().accounts.len(), 2);
    assert_eq!(Range::new(6, 2).unwrap().parse_answer(&data), Err(Fault::Malformed));
    assert_eq!(Range::new(5, 1).unwrap().parse_answer(&data), Err(Fault::Malformed));
    // Twice the same account is not ascending.
    let one = (data.len() - 8) / 2;
    let twice = [&data[..8 + one], &data[8..8 + one]].concat();
    assert_eq!(Range::new(5, 2).unwrap().parse_answer(&twice), Err(Fault::Malformed));
    let empty = [&u32::MAX.to_le_bytes()[..], &[0; 4]].concat();
    assert_eq!(Range::new(5, 2).unwrap().parse_answer(&empty).unwrap().block, None);
}

/// Only that it comes back matters.
fn read<T>(_: T) {}

proptest! {
    #[test]
    fn no_bytes_upset_the_readers(bytes in prop::collection::vec(any::<u8>(), 0..600), at in any::<prop::sample::Index>(), by in any::<u8>()) {
        read(Header::parse(Network::Main, &bytes));
        read(Hello::parse(&bytes));
        read(Feature::parse(&bytes));
        read(parse_answer(&bytes));
        if let Ok(mut records) = Records::parse(&bytes) {
            while let Ok(Some(record)) = records.next() {
                prop_assert!(record.bytes().len() <= bytes.len());
            }
        }
        // One byte wrong in what is right.
        for captured in [&frames()[0]["frame"], &accounts()[0]["response"], &accounts()[5]["response"]] {
            let mut bytes = hex(captured);
            let place = at.index(bytes.len());
            bytes[place] ^= by;
            read(Hello::parse(&bytes[HEADER_BYTES..]));
            read(parse_answer(&bytes[HEADER_BYTES..]));
        }
    }

    #[test]
    fn a_feature_record_is_read_back_whatever_follows(port in any::<u16>(), key in prop::option::of(any::<[u8; 32]>()), more in prop::collection::vec(any::<u8>(), 0..20)) {
        let feature = Feature { tls_port: port, node_key: key.map(nightjar_core::link::NodeKey) };
        let mut bytes = feature.write();
        prop_assert!(bytes.starts_with(b"PIP38\x01\x00"));
        bytes.extend(more);
        prop_assert_eq!(Feature::parse(&bytes), Some(feature));
    }
}
