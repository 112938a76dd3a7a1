//! The life of links: dialled and accepted, admitted and refused, ended by either side, through a proxy.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod link_common;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use link_common::{PATIENCE, Raw, Side, record, tls_address, until, until_closed};
use nightjar_core::address::{Address, Host, LinkKind};
use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Control, Item};
use nightjar_core::router::Closed;
use nightjar_node::link::{Admission, LinkLimits, LinkOptions, LinkReport, Listener, REPORTS_MAX};
use nightjar_wire::secure::{NodeIdentity, SecureLimits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_dialled_link_opens_carries_records_both_ways_and_ends_with_bye() {
    let (mut left, mut right) = (Side::new(1), Side::new(2));
    let to = right.listen();
    let (link, outbox) = left.dial(to);
    let (back_link, back) = right.admit().await;
    let LinkReport::Opened { link: opened, peer } = left.report().await else { panic!("it opens first") };
    assert_eq!((opened, peer.outbound, &peer.address), (link, true, &tls_address(to)));
    assert_eq!(peer.node_key, Some(NodeIdentity::from_seed([2; 32]).node_key()));

    let now = left.clock.now();
    assert!(outbox.push(record(now, 1)) && back.push(record(now, 2)));
    for (side, wanted_link, number) in [(&mut right, back_link, 1), (&mut left, link, 2)] {
        let LinkReport::Records { link, batch } = side.report().await else { panic!("a record comes") };
        let Item::Record { record, tag } = record(now, number) else { panic!("it is a record") };
        assert_eq!((link, batch.records), (wanted_link, vec![(record, tag)]));
    }

    assert!(outbox.push(record(now, 3)));
    outbox.end(ByeCode::Duplicate, "another link stays");
    let LinkReport::Records { .. } = right.report().await else { panic!("what was pushed before goes out first") };
    let why = Closed::ByPeer { code: Some(ByeCode::Duplicate), text: "another link stays".into() };
    assert_eq!(right.closed().await, (back_link, why));
    assert_eq!(left.closed().await, (link, Closed::ByUs));
}

#[tokio::test]
async fn a_refused_peer_is_told_other_addresses_and_why() {
    let (mut left, mut right) = (Side::new(1), Side::new(2));
    let (link, _outbox) = left.dial(right.listen());
    let LinkReport::Accepted { admit, peer, .. } = right.report().await else { panic!("it asks") };
    assert!(!peer.outbound);
    let peers: Vec<Address> = vec!["192.0.2.7:4038".parse().unwrap()];
    admit.send(Admission::Refused { peers: peers.clone(), code: ByeCode::Full, text: "full".into() }).unwrap();

    assert!(matches!(left.report().await, LinkReport::Opened { .. }));
    let LinkReport::Control { control, .. } = left.report().await else { panic!("addresses come") };
    assert_eq!(control, Control::Peers(peers));
    assert_eq!(left.closed().await, (link, Closed::ByPeer { code: Some(ByeCode::Full), text: "full".into() }));
    until(|| right.links.accept_counters().half_open == 0).await;
    assert_eq!(right.links.accept_counters().refused, 1);
    assert!(right.reports.try_recv().is_err(), "a refused connection never was a link");
}

#[tokio::test]
async fn a_connection_the_engine_does_not_answer_for_is_closed() {
    let (mut left, mut right) = (Side::new(1), Side::new(2));
    let (link, _outbox) = left.dial(right.listen());
    drop(right.report().await);
    assert!(matches!(left.closed().await, (closed, Closed::ByPeer { code: None, .. }) if closed == link));
}

#[tokio::test]
async fn nothing_is_reported_of_a_connection_before_it_is_admitted() {
    let mut side = Side::new(1);
    let mut raw = Raw::connect(9, TcpStream::connect(side.listen()).await.unwrap()).await;
    // PEERS, empty, right behind OPEN.
    raw.channel.write(&[3, 0, 1, 0, 0, 0]);
    raw.flush().await;
    let LinkReport::Accepted { admit, outbox, .. } = side.report().await else { panic!("it asks") };
    assert!(side.reports.try_recv().is_err());
    let link = side.new_link();
    admit.send(Admission::Welcome(link)).unwrap();
    let LinkReport::Control { link: said_on, control } = side.report().await else { panic!("now it comes") };
    assert_eq!((said_on, control), (link, Control::Peers(vec![])));
    drop((raw, outbox));
    assert_eq!(side.closed().await.0, link);
}

#[tokio::test]
async fn dropping_the_outbox_ends_the_link_and_dropping_the_links_ends_what_is_not_yet_one() {
    let (mut left, mut right) = (Side::new(1), Side::new(2));
    let to = right.listen();
    let (link, outbox) = left.dial(to);
    let (back_link, back) = right.admit().await;
    // Half open at one side, dialling at the other.
    let mut half_open = TcpStream::connect(to).await.unwrap();
    until(|| right.links.accept_counters().half_open == 1).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (dialled, _dialled_outbox) = left.dial(silent.local_addr().unwrap());
    let (_silent_end, _) = silent.accept().await.unwrap();

    let Side { links, reports: right_reports, .. } = right;
    drop(links);
    until_closed(&mut half_open).await;
    assert!(TcpStream::connect(to).await.is_err(), "nobody listens any more");
    drop(outbox);
    let mut right_reports = right_reports;
    let LinkReport::Closed { link: closed, why } = right_reports.recv().await.unwrap() else { panic!("it ends") };
    assert_eq!((closed, why), (back_link, Closed::ByPeer { code: Some(ByeCode::Leaving), text: String::new() }));
    drop(back);
    assert!(right_reports.recv().await.is_none(), "the last link is gone");

    let Side { links, reports: mut left_reports, .. } = left;
    drop(links);
    let mut closed = Vec::new();
    while let Some(report) = left_reports.recv().await {
        if let LinkReport::Closed { link, why } = report {
            closed.push((link, why));
        }
    }
    closed.sort_by_key(|(link, _)| *link);
    assert_eq!(closed, [(link, Closed::ByUs), (dialled, Closed::ByUs)]);
}

#[tokio::test]
async fn a_dial_that_comes_to_nothing_says_why() {
    let mut side = Side::new(1);
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (link, _outbox) = side.dial(free);
    let (closed, Closed::NotReached(why)) = side.closed().await else { panic!("nobody is there") };
    assert_eq!(closed, link);
    assert!(why.contains("refused"), "{why}");

    let link = side.new_link();
    let address = Address { kind: LinkKind::Tls, host: Host::Name("no-such-host.invalid".into()), port: 1 };
    let _outbox = side.links.dial(link, address);
    assert!(matches!(side.closed().await, (closed, Closed::NotReached(_)) if closed == link));
}

#[tokio::test]
async fn a_name_that_a_stranger_told_is_not_dialled_where_it_leads_into_our_own_house() {
    let mut side = Side::new(1);
    let house = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = house.local_addr().unwrap().port();
    let address = Address { kind: LinkKind::Tls, host: Host::Name("localhost".into()), port };
    let link = side.new_link();
    let _outbox = side.links.dial_public(link, address.clone());
    let (closed, Closed::NotReached(why)) = side.closed().await else { panic!("it is not dialled") };
    assert_eq!(closed, link);
    assert!(why.contains("no address on the Internet"), "{why}");

    // What the user gave is dialled wherever it leads.
    let link = side.new_link();
    let _outbox = side.links.dial(link, address);
    house.accept().await.unwrap();
}

#[tokio::test]
async fn a_dial_that_is_not_wanted_any_more_is_broken_off() {
    let mut side = Side::new(1);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (link, outbox) = side.dial(silent.local_addr().unwrap());
    let (mut peer, _) = silent.accept().await.unwrap();
    outbox.end(ByeCode::Duplicate, "");
    assert_eq!(side.closed().await, (link, Closed::ByUs));
    until_closed(&mut peer).await;
}

#[tokio::test]
async fn a_peer_that_breaks_the_rules_is_a_fault_and_gets_bye() {
    let mut side = Side::new(1);
    let mut raw = Raw::connect(9, TcpStream::connect(side.listen()).await.unwrap()).await;
    let (link, _outbox) = side.admit().await;
    raw.channel.write(&[0x7f, 0, 0, 0, 0]);
    raw.flush().await;
    assert!(matches!(side.report().await, LinkReport::Fault { fault: Fault::WrongVersion, .. }));
    while raw.hear().await {}
    assert_eq!(raw.frames(), [1, 6]);
    drop(raw);
    assert_eq!(side.closed().await, (link, Closed::Fault(Fault::WrongVersion)));
}

#[tokio::test]
async fn records_that_came_before_the_end_do_not_wait_for_the_farewell() {
    let mut side = Side::new(1);
    let mut raw = Raw::connect(9, TcpStream::connect(side.listen()).await.unwrap()).await;
    let (link, _outbox) = side.admit().await;
    let Item::Record { record, .. } = record(side.clock.now(), 1) else { panic!("it is a record") };
    let length = u8::try_from(4 + record.bytes().len()).unwrap();
    // RECORDS with one, BYE; and then the peer stays, so that the farewell lasts as long as it may.
    raw.channel.write(&[&[2, 0, length, 0, 0, 1, 0, 0, 0], record.bytes(), &[6, 0, 3, 0, 0, 0, 0, 0]].concat());
    raw.flush().await;
    let LinkReport::Records { batch, .. } = side.report().await else { panic!("records come first") };
    assert_eq!(batch.records, [(record, 0)]);
    assert!(side.reports.try_recv().is_err(), "the farewell is not over");
    drop(raw);
    assert!(
        matches!(side.closed().await, (closed, Closed::ByPeer { code: Some(ByeCode::Leaving), .. }) if closed == link)
    );
}

#[tokio::test]
async fn a_slow_engine_makes_the_peer_wait_and_nothing_is_lost() {
    let (mut left, mut right) = (Side::new(1), Side::new(2));
    let (_, outbox) = left.dial(right.listen());
    let (_, _back) = right.admit().await;
    let now = left.clock.now();
    // Each push is sent by itself, so that there are more reports than the engine has room for.
    let mut sent = 0u64;
    let mut blocked = 0;
    while blocked < 100 {
        if right.reports.len() == REPORTS_MAX {
            blocked += 1;
        }
        if outbox.push(record(now, sent)) {
            sent += 1;
        }
        tokio::task::yield_now().await;
        assert!(sent < 10_000_000, "the engine takes without end");
    }
    let mut came = 0;
    while came < sent {
        if let LinkReport::Records { batch, .. } = right.report().await {
            came += batch.records.len() as u64;
        }
    }
    assert_eq!(came, sent);
}

#[tokio::test]
async fn one_port_serves_ipv4_and_ipv6() {
    let mut side = Side::new(1);
    let listener = Listener::bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0)).unwrap();
    let port = listener.address().port();
    assert_ne!(port, 0);
    let has_ipv6 = listener.address().is_ipv6() && TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok();
    side.links.accept(listener);
    let mut other = Side::new(2);
    let (_, _outbox) = other.dial(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    let LinkReport::Accepted { peer, .. } = side.report().await else { panic!("IPv4 is served") };
    assert!(matches!(peer.address.host, Host::Ip(ip) if ip == Ipv4Addr::LOCALHOST), "not as a mapped IPv6 address");
    if has_ipv6 {
        let (_, _outbox) = other.dial(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port));
        assert!(matches!(side.report().await, LinkReport::Accepted { .. }));
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_clear_error() {
    let first = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let error = Listener::bind(first.address()).unwrap_err().to_string();
    let port = first.address();
    assert!(error.starts_with(&format!("cannot listen on {port}: ")), "{error}");
    assert!(error.ends_with("end it, or choose another port with --listen"), "{error}");
    assert!(!error.contains('\n'));
}

#[tokio::test]
async fn through_a_proxy_names_are_handed_on_and_not_resolved() {
    let mut right = Side::new(2);
    let to = right.listen();
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy_address = proxy.local_addr().unwrap().to_string();
    let served = tokio::spawn(serve_socks5(proxy, to));

    let mut left = Side::with(1, SecureLimits::default(), |clock| LinkOptions {
        network: Network::Main,
        socks5: Some(proxy_address),
        clock,
        limits: LinkLimits::default(),
    });
    let link = left.new_link();
    let address = Address { kind: LinkKind::Tls, host: Host::Name("hidden.onion".into()), port: 4038 };
    let outbox = left.links.dial(link, address.clone());
    let (_, _back) = right.admit().await;
    let LinkReport::Opened { peer, .. } = left.report().await else { panic!("it opens") };
    assert_eq!(peer.address, address);
    drop((outbox, _back));
    let asked = tokio::time::timeout(PATIENCE, served).await.unwrap().unwrap();
    assert_eq!(asked, ("hidden.onion".to_owned(), 4038));
}

/// A proxy for one connection that leads to `to` whatever is asked for; what was asked for (RFC 1928).
async fn serve_socks5(listener: TcpListener, to: SocketAddr) -> (String, u16) {
    let (mut client, _) = listener.accept().await.unwrap();
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await.unwrap();
    let mut methods = vec![0; usize::from(greeting[1])];
    client.read_exact(&mut methods).await.unwrap();
    client.write_all(&[5, 0]).await.unwrap();
    let mut request = [0; 5];
    client.read_exact(&mut request).await.unwrap();
    assert_eq!(request[..4], [5, 1, 0, 3], "a connection to a name");
    let mut name = vec![0; usize::from(request[4])];
    client.read_exact(&mut name).await.unwrap();
    let port = client.read_u16().await.unwrap();
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    let mut server = TcpStream::connect(to).await.unwrap();
    // The end may be a reset: what counts is what was asked for.
    drop(copy_bidirectional(&mut client, &mut server).await);
    (String::from_utf8(name).unwrap(), port)
}
