//! Two TLS sessions with each other, and one with a peer that breaks the rules inside TLS.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod common;

use std::sync::Arc;

use common::*;
use nightjar_core::address::{Address, LinkKind};
use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Control, Item, PEERS_MAX};
use nightjar_core::link::{AGENT_BYTES_MAX, Carries};
use nightjar_core::record::{MsgId, Record, RecordRef};
use nightjar_wire::secure::{CONTROLS_PER_MINUTE_MAX, EARLY_BYTES_MAX, NodeIdentity};
use nightjar_wire::session::{Session, SessionEvent};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

#[test]
fn two_nodes_shake_hands_and_learn_who_the_other_is() {
    let (mut left, mut right) = (dialled(config(1)), accepted(config(2)));
    let ran = run(at(0), &mut left, &mut right, usize::MAX);
    let [SessionEvent::Open(peer)] = &ran.left[..] else { panic!("{ran:?}") };
    assert_eq!(peer.node_key, Some(NodeIdentity::from_seed([2; 32]).node_key()));
    assert_eq!((peer.listen_port, peer.agent.as_str(), peer.outbound), (4002, "node 2", true));
    assert_eq!((peer.clock_ahead_s, peer.carries, peer.features), (0, Carries::Records, 0));
    let [SessionEvent::Open(peer)] = &ran.right[..] else { panic!("{ran:?}") };
    assert_eq!(peer.node_key, Some(NodeIdentity::from_seed([1; 32]).node_key()));
    assert!(!peer.outbound);
}

#[test]
fn a_batch_arrives_whole_and_in_order_in_pieces_of_any_size() {
    for piece in [1, 7, 1000, usize::MAX] {
        let (mut left, mut right) = open_pair();
        let sent: Vec<_> = (0..500).map(|number| if number % 3 == 0 { plain(number) } else { dated(number) }).collect();
        for (record, tag) in sent.iter().zip(0..) {
            left.send(at(1), &Item::Record { record: record.clone(), tag });
        }
        assert!(left.pending_bytes() > 500 * 40);
        let ran = run(at(1), &mut left, &mut right, piece);
        let came = records(&ran.right);
        assert_eq!(came.len(), sent.len());
        assert!(
            came.iter().zip(sent.iter().zip(0..)).all(|((record, tag), (wanted, at))| record == wanted && *tag == at)
        );
        assert_eq!(left.pending_bytes(), 0);
        assert_eq!(ran.right_fault, None);
    }
}

#[test]
fn the_node_itself_at_the_other_end_is_found_out() {
    let (mut left, mut right) = (dialled(config(1)), accepted(config(1)));
    let ran = run(at(0), &mut left, &mut right, usize::MAX);
    assert_eq!((ran.left_fault, ran.right_fault), (Some(Fault::Myself), Some(Fault::Myself)));
    assert!(ran.left.is_empty() && ran.right.is_empty(), "{ran:?}");
}

#[test]
fn bye_is_the_last_that_is_said() {
    let (mut left, mut right) = open_pair();
    left.send(at(1), &item(&dated(1)));
    left.send(at(1), &Item::Control(Control::Bye { code: ByeCode::Leaving, text: "good night".into() }));
    left.send(at(1), &item(&dated(2)));
    right.send(at(1), &item(&dated(3)));
    let ran = run(at(1), &mut left, &mut right, usize::MAX);
    assert_eq!(records(&ran.right).len(), 1);
    let bye = SessionEvent::Control(Control::Bye { code: ByeCode::Leaving, text: "good night".into() });
    assert_eq!(ran.right[1..], [bye, SessionEvent::Closed]);
    assert!(ran.left.is_empty());
    assert_eq!((left.deadline(), right.deadline()), (None, None));
}

#[test]
fn nodes_of_two_networks_do_not_get_past_the_handshake() {
    let seen = Seen::new();
    let (mut left, mut right) = (dialled(config(1)), accepted(config_of(2, Network::Test, &seen)));
    let ran = run(at(0), &mut left, &mut right, usize::MAX);
    assert_eq!((ran.left_fault, ran.right_fault), (Some(Fault::Handshake), Some(Fault::Handshake)));
    assert!(ran.left.is_empty() && ran.right.is_empty());
}

#[test]
fn another_network_or_version_inside_the_handshake_gets_bye() {
    for (version, network, fault) in [(1, 1, Fault::WrongNetwork), (2, 0, Fault::WrongVersion)] {
        let (mut raw, mut session) = (Raw::dial(9), accepted(config(1)));
        let said = raw.say(at(0), &mut session, &open_frame(version, network, b"raw"));
        assert_eq!(said, Err(fault));
        let frames = raw.frames();
        assert_eq!(frames.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [1, 6]);
        assert_eq!(frames[1].1[0], ByeCode::Fault.byte());
        assert!(raw.closed, "close_notify came behind BYE");
    }
}

#[test]
fn what_a_peer_says_of_itself_is_cut_and_cleaned() {
    let (mut raw, mut session) = (Raw::dial(9), accepted(config(1)));
    let agent = [b"\x1b[31mraw\n\xff".as_slice(), &[b'x'; 1000]].concat();
    let events = raw.say(at(0), &mut session, &open_frame(1, 0, &agent)).unwrap();
    let [SessionEvent::Open(peer)] = &events[..] else { panic!("{events:?}") };
    assert!(peer.agent.starts_with("?[31mraw??xxx"));
    assert_eq!(peer.agent.len(), AGENT_BYTES_MAX);
    assert_eq!((peer.clock_ahead_s, peer.features, peer.listen_port), (-100, 0, 4038));
}

#[test]
fn a_frame_out_of_turn_ends_the_link() {
    let (mut raw, mut session) = open_with_raw(config(1));
    assert_eq!(raw.say(at(1), &mut session, &open_frame(1, 0, b"again")), Err(Fault::OutOfTurn));
    for early in [frame(4, &[0; 8]), records_frame(&[dated(1)]), frame(0x80, b""), frame(6, &[0, 0, 0])] {
        let (mut raw, mut session) = (Raw::dial(9), accepted(config(1)));
        assert_eq!(raw.say(at(0), &mut session, &early), Err(Fault::OutOfTurn));
    }
}

#[test]
fn an_unknown_frame_is_skipped_if_it_says_so_and_ends_the_link_if_not() {
    let (mut raw, mut session) = open_with_raw(config(1));
    let bytes = [frame(0xf0, &[1; 60_000]), records_frame(&[dated(1)])].concat();
    let events = raw.say(at(1), &mut session, &bytes).unwrap();
    assert_eq!(records(&events).len(), 1);
    assert_eq!(raw.say(at(1), &mut session, &frame(0x70, b"?")), Err(Fault::WrongVersion));
    assert_eq!(raw.frames().last().unwrap().0, 6);
}

#[test]
fn a_fault_ends_the_link_with_bye_and_what_came_before_it_is_still_told() {
    let cut = {
        let mut bytes = records_frame(&[dated(2)]);
        bytes.pop();
        bytes[2] -= 1;
        bytes
    };
    let too_many = {
        let mut bytes = records_frame(&[dated(2)]);
        bytes[5] = 2;
        bytes
    };
    let rest = frame(2, &[records_frame(&[dated(2)])[5..].to_vec(), vec![0]].concat());
    for broken in [cut, too_many, rest] {
        let (mut raw, mut session) = open_with_raw(config(1));
        raw.channel.write(&[records_frame(&[dated(1)]), broken].concat());
        let mut bytes = Vec::new();
        raw.channel.transmit(&mut bytes);
        assert_eq!(session.receive(at(1), &bytes), Err(Fault::Malformed));
        let events: Vec<_> = std::iter::from_fn(|| session.poll()).collect();
        assert!(records(&events).iter().any(|(record, _)| *record == dated(1)));
        assert_eq!(raw.run(at(1), &mut session), Ok(vec![]));
        assert_eq!(raw.frames().last().unwrap().0, 6);
    }
    let (mut raw, mut session) = open_with_raw(config(1));
    assert_eq!(raw.say(at(1), &mut session, &[2, 0, 0xff, 0xff, 0xff]), Err(Fault::Oversize));
}

#[test]
fn bytes_that_are_no_tls_end_the_link() {
    let mut session = accepted(config(1));
    assert_eq!(session.receive(at(0), &[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]), Err(Fault::Handshake));
    let (_, mut session) = open_pair();
    assert_eq!(session.receive(at(1), &[0x17, 3, 3, 0, 32].repeat(10)), Err(Fault::Framing));
    let mut alert = Vec::new();
    session.transmit(at(1), &mut alert);
    assert!(!alert.is_empty(), "TLS says why");
}

#[test]
fn a_peer_without_a_key_or_without_our_protocol_is_refused() {
    for (alpn, key) in [(true, false), (false, true), (false, false)] {
        let mut client = strange_client(alpn, key);
        let mut session = accepted(config(1));
        let mut fault = None;
        for _ in 0..4 {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            while client.wants_write() {
                client.write_tls(&mut there).unwrap();
            }
            fault = fault.or(session.receive(at(0), &there).err());
            assert_eq!(session.poll(), None);
            session.transmit(at(0), &mut back);
            while !back.is_empty() {
                let used = client.read_tls(&mut back.as_slice()).unwrap();
                back.drain(..used);
                if client.process_new_packets().is_err() {
                    break;
                }
            }
        }
        assert_eq!(fault, Some(Fault::Handshake), "alpn {alpn}, key {key}");
    }
}

#[test]
fn a_peer_that_sends_one_byte_at_a_time_is_let_go_in_the_handshake_and_in_a_frame() {
    let (mut left, mut right) = (dialled(config(1)), accepted(config(2)));
    let mut hello = Vec::new();
    left.transmit(at(0), &mut hello);
    let mut s = 0;
    while right.deadline().unwrap() > at(s * 1000).mono {
        right.receive(at(s * 1000), &hello[s as usize..=s as usize]).unwrap();
        s += 1;
    }
    assert_eq!(s, 10);
    assert_eq!(right.tick(at(s * 1000)), Err(Fault::TimedOut));

    // A TLS record that does not end, then a frame that does not end although its TLS records do.
    let (mut raw, mut session) = open_with_raw(config(1));
    let mut s = 1;
    while session.deadline().unwrap() > at(s * 1000).mono {
        session.receive(at(s * 1000), if s == 1 { &[0x17] } else { &[0] }).unwrap();
        if s == 1 {
            session.receive(at(s * 1000), &[3, 3, 1]).unwrap();
        }
        s += 1;
    }
    assert_eq!(s, 21);
    assert_eq!(session.tick(at(s * 1000)), Err(Fault::TimedOut));
    raw.run(at(s * 1000), &mut session).unwrap();
    assert_eq!(raw.frames().last().unwrap().0, 6);

    let (mut raw, mut session) = open_with_raw(config(1));
    let whole = records_frame(&[dated(1)]);
    let mut s = 1;
    while session.deadline().unwrap() > at(s * 1000).mono {
        raw.say(at(s * 1000), &mut session, &whole[s as usize - 1..s as usize]).unwrap();
        s += 1;
    }
    assert_eq!(s, 21);
    assert_eq!(session.tick(at(s * 1000)), Err(Fault::TimedOut));
}

#[test]
fn a_silent_peer_is_asked_and_then_let_go() {
    let (mut left, mut right) = open_pair();
    assert_eq!(left.deadline(), Some(at(30_000).mono));
    assert_eq!(left.tick(at(29_999)), Ok(()));
    assert_eq!(left.tick(at(30_000)), Ok(()));
    let ran = run(at(30_500), &mut left, &mut right, usize::MAX);
    assert!(ran.left.is_empty() && ran.right.is_empty(), "PING and PONG are the sessions' own: {ran:?}");
    assert_eq!(left.deadline(), Some(at(60_500).mono), "the answer came");

    left.tick(at(60_500)).unwrap();
    let mut lost = Vec::new();
    left.transmit(at(60_500), &mut lost);
    assert!(!lost.is_empty(), "a question went out");
    assert_eq!(left.deadline(), Some(at(30_500 + 75_000).mono));
    assert_eq!(left.tick(at(105_500)), Err(Fault::TimedOut));
}

#[test]
fn a_peer_that_asks_without_end_gets_one_answer_a_read_and_is_let_go() {
    let (mut raw, mut session) = open_with_raw(config(1));
    let pings: Vec<u8> = (0..CONTROLS_PER_MINUTE_MAX).flat_map(|n| frame(4, &u64::from(n).to_le_bytes())).collect();
    raw.say(at(1), &mut session, &pings).unwrap();
    assert_eq!(raw.frames(), [(5, u64::from(CONTROLS_PER_MINUTE_MAX - 1).to_le_bytes().to_vec())]);
    raw.say(at(70_000), &mut session, &frame(4, &[7; 8])).unwrap();
    assert_eq!(raw.frames(), [(5, vec![7; 8])]);
    assert_eq!(raw.say(at(70_000), &mut session, &pings), Err(Fault::TooMany));
}

#[test]
fn expired_records_are_dropped_and_only_long_expired_ones_blamed_once_a_read() {
    let now_s = START_S;
    let (mut raw, mut session) = open_with_raw(config(1));
    let forgiven = [dated_until(now_s - 61, 1), dated_until(now_s - 119, 2), dated_until(now_s + 3660 + 119, 3)];
    let alive = [dated_until(now_s - 60, 4), dated_until(now_s + 3660, 5)];
    let events = raw.say(at(0), &mut session, &records_frame(&[&forgiven[..], &alive].concat())).unwrap();
    let [SessionEvent::Records(batch)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((batch.expired, batch.records.len()), (3, 2));

    let blamed: Vec<_> = (0..10).map(|n| dated_until(now_s - 120 - n, u64::from(n))).collect();
    let events = raw.say(at(0), &mut session, &records_frame(&blamed)).unwrap();
    let [SessionEvent::Fault(Fault::Expired), SessionEvent::Records(batch)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((batch.expired, batch.records.len()), (10, 0));
}

#[test]
fn a_plain_text_that_ends_like_a_trailer_arrives_whatever_its_date_would_be() {
    let text = b"we meet at the corner, shelf P8";
    let record = Record::plain(MsgId([5; 16]), target(), text).unwrap();
    assert_eq!(record.stamp(), None);
    let (mut raw, mut session) = open_with_raw(config(1));
    let events = raw.say(at(0), &mut session, &records_frame(std::slice::from_ref(&record))).unwrap();
    assert_eq!(records(&events), [(record, 0)]);
}

#[test]
fn what_is_known_comes_as_a_repeat_with_its_digest() {
    let mut seen = Seen::new();
    let (known, fresh, known_plain) = (dated(1), dated(2), plain(3));
    seen.dated.insert(&known.msg_id().0);
    let view = seen.view();
    let (plain_ref, _) = RecordRef::parse(known_plain.bytes()).unwrap();
    seen.plain.insert(&view.plain_key(plain_ref));
    // Under the id of a dated record that was seen, a plain one is no news.
    let forged = Record::plain(known.msg_id(), target(), b"other").unwrap();
    // Under the id of a plain record that was seen, another plain one is.
    let namesake = Record::plain(known_plain.msg_id(), target(), b"other").unwrap();

    let (mut raw, mut session) = open_with_raw(config_of(1, Network::Main, &seen));
    let all = [&known, &fresh, &known_plain, &forged, &namesake].map(Clone::clone);
    let events = raw.say(at(0), &mut session, &records_frame(&all)).unwrap();
    let [SessionEvent::Records(batch)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(batch.records, [(fresh, 0), (namesake, 0)]);
    let digests: Vec<_> = batch.repeats.iter().map(|repeat| (repeat.msg_id, repeat.digest)).collect();
    let digest = |record: &Record| (record.msg_id(), view.digest(RecordRef::parse(record.bytes()).unwrap().0));
    assert_eq!(digests, [digest(&known), digest(&known_plain), digest(&forged)]);
}

#[test]
fn a_record_that_expired_while_it_waited_is_not_sent() {
    let (mut left, mut right) = open_pair();
    left.send(at(61_000), &item(&dated_until(START_S, 1)));
    left.send(at(61_000), &item(&dated_until(START_S + 100, 2)));
    left.send(at(61_000), &item(&plain(3)));
    let ran = run(at(61_000), &mut left, &mut right, usize::MAX);
    assert_eq!(records(&ran.right), [(dated_until(START_S + 100, 2), 0), (plain(3), 0)]);
}

#[test]
fn addresses_travel_and_what_another_protocol_would_say_does_not() {
    let (mut left, mut right) = open_pair();
    let peers: Vec<Address> = (1..=200).map(|port| Address::new(LinkKind::Tls, [192, 0, 2, 7].into(), port)).collect();
    left.send(at(1), &Item::Control(Control::Wallet { text: b"hello".to_vec() }));
    left.send(at(1), &Item::Control(Control::AskAccounts { question: 1, first: 0, count: 1 }));
    left.send(at(1), &Item::Control(Control::Peers(peers.clone())));
    let ran = run(at(1), &mut left, &mut right, usize::MAX);
    assert_eq!(ran.right, [SessionEvent::Control(Control::Peers(peers[..PEERS_MAX].to_vec()))]);
}

#[test]
fn what_is_sent_before_the_handshake_waits_behind_open_within_bounds() {
    let (mut left, mut right) = (dialled(config(1)), accepted(config(2)));
    (0..10_000).for_each(|number| left.send(at(0), &item(&dated(number))));
    assert!(left.pending_bytes() < EARLY_BYTES_MAX + 1000);
    let ran = run(at(0), &mut left, &mut right, usize::MAX);
    assert!(matches!(ran.right[0], SessionEvent::Open(_)));
    assert!(records(&ran.right).len() > 1000);
}

#[derive(Debug)]
struct AnyKey;

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// A TLS client that has no key, or does not say which protocol it means.
fn strange_client(alpn: bool, key: bool) -> ClientConnection {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyKey));
    let mut config = if key {
        let pkcs8 = [&pkcs8_prefix()[..], &[3; 32]].concat();
        let signing =
            rustls::crypto::aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_slice())).unwrap();
        let public = CertificateDer::from(signing.public_key().unwrap().to_vec());
        let certified = CertifiedKey::new(vec![public], signing);
        builder.with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::new(certified))))
    } else {
        builder.with_no_client_auth()
    };
    if alpn {
        config.alpn_protocols = vec![b"pip38/1".to_vec()];
    }
    ClientConnection::new(Arc::new(config), "any.example".try_into().unwrap()).unwrap()
}

fn pkcs8_prefix() -> [u8; 16] {
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20]
}
