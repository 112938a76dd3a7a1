//! Who is let in and let go, whom the router dials, and what it remembers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod router_common;

use nightjar_core::address::Address;
use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Control};
use nightjar_core::link::{Carries, LINKS_MAX, NodeKey, PeerInfo};
use nightjar_core::router::{
    ADDRESSES_MAX, AddressSource, BAN_S, CONGESTED_MS_MAX, Closed, DIALS_MAX, Input, KnownAddress, Output,
    RETRY_MS_FIRST, RETRY_MS_LAST, RETRY_PASCAL_MS_FIRST, Report,
};
use router_common::*;

#[test]
fn a_full_node_names_others_before_it_hangs_up() {
    let mut bench = Bench::with(|config| config.inbound_max = 2);
    let speaks = PeerInfo { listen_port: 4038, ..peer(1) };
    bench.try_accept(speaks).unwrap();
    bench.accept(2);
    let refusal = bench.try_accept(peer(3)).unwrap_err();
    assert_eq!(refusal.code, ByeCode::Full);
    assert_eq!(refusal.peers, ["10.0.0.1:4038".parse::<Address>().unwrap()]);
}

#[test]
fn no_crowd_takes_more_places_than_there_are() {
    let mut bench = Bench::with(|config| config.inbound_max = usize::MAX);
    let came = (0..200u8).filter(|number| bench.try_accept(peer(*number)).is_ok()).count();
    assert_eq!(came, LINKS_MAX);
}

#[test]
fn one_network_group_on_the_internet_gets_a_quarter_of_the_places() {
    let mut bench = Bench::with(|config| config.inbound_max = 8);
    let at = |number: u8| PeerInfo { address: format!("9.9.0.{number}:1").parse().unwrap(), ..peer(number) };
    assert_eq!((1..=8).filter(|number| bench.try_accept(at(*number)).is_ok()).count(), 2);
    let elsewhere = PeerInfo { address: "8.8.8.8:1".parse().unwrap(), ..peer(99) };
    assert!(bench.try_accept(elsewhere).is_ok());
}

#[test]
fn of_two_links_to_one_node_the_one_opened_by_the_lower_key_stays_whoever_was_first() {
    for (theirs, ours_stays) in [(0x60, true), (0x40, false)] {
        for inbound_first in [true, false] {
            let mut bench = Bench::new();
            let dialled = bench.add(AddressSource::User, &["10.0.0.7:4038"]).remove(0);
            let outbound = dialled_peer(theirs, &dialled.1);
            let inbound = PeerInfo { address: "10.0.0.7:999".parse().unwrap(), ..peer(theirs) };
            let (kept, code) = if inbound_first {
                let first = bench.try_accept(inbound).unwrap();
                let outputs = bench.handle(Input::Connected { link: dialled.0, peer: outbound });
                let (ended, code) = ended(&outputs)[0];
                (if ended == first { dialled.0 } else { first }, code)
            } else {
                bench.handle(Input::Connected { link: dialled.0, peer: outbound });
                match bench.router.admit(bench.now(), &inbound) {
                    Err(refusal) => (dialled.0, refusal.code),
                    Ok(link) => {
                        let outputs = bench.handle(Input::Connected { link, peer: inbound });
                        assert_eq!(ended(&outputs)[0].0, dialled.0);
                        (link, ended(&outputs)[0].1)
                    }
                }
            };
            assert_eq!((kept == dialled.0, code), (ours_stays, ByeCode::Duplicate), "{theirs:x} {inbound_first}");
        }
    }
}

#[test]
fn of_two_links_that_one_side_opened_the_first_stays_at_both_ends() {
    let mut bench = Bench::new();
    bench.accept(0x60);
    let again = PeerInfo { address: "10.0.0.96:7".parse().unwrap(), ..peer(0x60) };
    assert_eq!(bench.try_accept(again).unwrap_err().code, ByeCode::Duplicate);

    let dialled = bench.add(AddressSource::User, &["10.0.0.7:4038", "10.0.0.7:4039"]);
    bench.handle(Input::Connected { link: dialled[0].0, peer: dialled_peer(0x20, &dialled[0].1) });
    let outputs = bench.handle(Input::Connected { link: dialled[1].0, peer: dialled_peer(0x20, &dialled[1].1) });
    assert_eq!(ended(&outputs), [(dialled[1].0, ByeCode::Duplicate)]);
    bench.disconnect(dialled[1].0, Closed::ByUs);
    assert!(dials(&bench.pass(RETRY_MS_LAST)).is_empty(), "it is not dialled again while the other link stands");
}

#[test]
fn a_tls_link_ends_the_flood_on_a_pascalcoin_link_to_the_same_node_while_it_stands() {
    let mut bench = Bench::new();
    let (source, pascal) = (bench.accept(1), bench.try_accept(pascal_peer(2)).unwrap());
    let speaks = Control::Speaks { carries: Carries::Records, node_key: Some(NodeKey([3; 32])), tls_port: 0 };
    bench.handle(Input::Control { link: pascal, control: speaks });
    assert_eq!(sent(&bench.receive(source, &[dated(1)]))[0].1, set(&[pascal]));
    let tls = bench.accept(3);
    assert_eq!(sent(&bench.receive(source, &[dated(2)]))[0].1, set(&[tls]));
    bench.disconnect(tls, Closed::Broken("gone".into()));
    assert_eq!(sent(&bench.receive(source, &[dated(3)]))[0].1, set(&[pascal]));
}

#[test]
fn the_users_peers_are_dialled_at_once_and_again_more_and_more_seldom() {
    let mut bench = Bench::new();
    let (mut link, _) = bench.add(AddressSource::User, &["10.0.0.7:4038"]).remove(0);
    let mut waits = Vec::new();
    for _ in 0..14 {
        bench.disconnect(link, Closed::NotReached("connection refused".into()));
        let from = bench.mono_ms;
        let dialled = loop {
            let due = bench.router.deadline().unwrap().0;
            if let Some(dialled) = dials(&bench.pass(due.saturating_sub(bench.mono_ms).max(1))).pop() {
                break dialled;
            }
        };
        waits.push(bench.mono_ms - from);
        link = dialled.0;
    }
    assert!((RETRY_MS_FIRST * 3 / 4..=RETRY_MS_FIRST * 5 / 4 + 1).contains(&waits[0]), "{waits:?}");
    assert!(waits[13] >= RETRY_MS_LAST * 3 / 4 && waits[13] <= RETRY_MS_LAST * 5 / 4 + 1, "{waits:?}");
    let known = bench.router.known_addresses();
    assert_eq!((known[0].failures, known[0].reason.as_str()), (14, "connection refused"));
    bench.disconnect(link, Closed::NotReached("connection refused".into()));
    let left_alone = bench.router.banned();
    assert_eq!((left_alone.len(), left_alone[0].reason.as_str()), (1, "connection refused"));
    assert!(left_alone[0].banned_until > bench.now().wall.unix_s(), "it says when it is dialled again");
}

#[test]
fn a_daemon_that_hung_up_is_left_alone_long_enough_for_its_limit_of_hellos() {
    let mut bench = Bench::new();
    let (link, address) = bench.add(AddressSource::User, &["pascal://10.0.0.7:4004"]).remove(0);
    let peer = PeerInfo { carries: Carries::Unknown, node_key: None, ..dialled_peer(7, &address) };
    bench.handle(Input::Connected { link, peer });
    bench.disconnect(link, Closed::ByPeer { code: None, text: String::new() });
    assert!(dials(&bench.pass(RETRY_PASCAL_MS_FIRST / 2)).is_empty());
    assert_eq!(dials(&bench.pass(RETRY_PASCAL_MS_FIRST)).len(), 1);
}

#[test]
fn a_good_link_that_ended_is_dialled_again_soon() {
    let mut bench = Bench::new();
    let (link, address) = bench.add(AddressSource::User, &["10.0.0.7:4038"]).remove(0);
    bench.handle(Input::Connected { link, peer: dialled_peer(7, &address) });
    bench.pass(120_000);
    bench.disconnect(link, Closed::Broken("reset".into()));
    assert_eq!(dials(&bench.pass(RETRY_MS_FIRST * 2)).len(), 1);
}

#[test]
fn who_says_full_or_banned_is_asked_again_much_later_and_the_reason_is_kept() {
    for (code, quiet_ms) in [(ByeCode::Full, 40_000), (ByeCode::Banned, u64::from(BAN_S) * 1000 - 60_000)] {
        let mut bench = Bench::new();
        let (link, address) = bench.add(AddressSource::User, &["10.0.0.7:4038"]).remove(0);
        bench.handle(Input::Connected { link, peer: dialled_peer(7, &address) });
        bench.disconnect(link, Closed::ByPeer { code: Some(code), text: "sorry".into() });
        assert!(dials(&bench.pass(quiet_ms)).is_empty(), "{code}");
        assert!(bench.router.known_addresses()[0].reason.ends_with("sorry"));
        assert_eq!(dials(&bench.pass(200_000)).len(), 1, "{code}");
    }
}

#[test]
fn a_node_that_dialled_itself_does_not_again() {
    let mut bench = Bench::new();
    let (link, _) = bench.add(AddressSource::User, &["10.0.0.7:4038"]).remove(0);
    bench.disconnect(link, Closed::Fault(Fault::Myself));
    assert!(dials(&bench.pass(24 * 3_600_000)).is_empty());
}

#[test]
fn a_peer_whose_faults_come_together_is_left_alone_for_an_hour_and_told_why() {
    let mut bench = Bench::new();
    let at = PeerInfo { address: "9.9.9.9:50000".parse().unwrap(), ..peer(1) };
    let link = bench.try_accept(at.clone()).unwrap();
    for _ in 0..2 {
        bench.handle(Input::Faulted { link, fault: Fault::TooMany });
    }
    assert!(reports(&bench.outputs).iter().any(|report| matches!(report, Report::Banned { .. })));
    bench.disconnect(link, Closed::Fault(Fault::TooMany));
    let refusal = bench.try_accept(PeerInfo { address: "9.9.9.9:50001".parse().unwrap(), ..at.clone() }).unwrap_err();
    assert_eq!(refusal.code, ByeCode::Banned);
    assert!(refusal.text.contains("sent more than the protocol allows"), "{}", refusal.text);
    assert_eq!(bench.router.banned().len(), 1);
    bench.pass(u64::from(BAN_S) * 1000 + 1000);
    assert!(bench.try_accept(at).is_ok());
}

#[test]
fn a_peer_that_brings_old_records_is_let_go_and_may_come_back_with_its_clock_set_right() {
    let mut bench = Bench::new();
    let at = PeerInfo { address: "9.9.9.9:50000".parse().unwrap(), ..peer(1) };
    let link = bench.try_accept(at.clone()).unwrap();
    for _ in 0..10 {
        bench.handle(Input::Faulted { link, fault: Fault::Expired });
    }
    assert_eq!(ended(&bench.outputs), [(link, ByeCode::Fault)]);
    bench.disconnect(link, Closed::ByUs);
    assert!(bench.router.banned().is_empty());
    assert!(bench.try_accept(at).is_ok());
}

#[test]
fn faults_are_forgiven_by_a_point_a_second() {
    let mut bench = Bench::new();
    let link = bench.accept(1);
    for _ in 0..50 {
        bench.handle(Input::Faulted { link, fault: Fault::Expired });
        bench.pass(10_000);
    }
    assert!(ended(&bench.outputs).is_empty());
}

#[test]
fn nobody_in_this_house_is_banned_for_what_one_did() {
    let mut bench = Bench::new();
    let link = bench.accept(1);
    bench.handle(Input::Faulted { link, fault: Fault::Framing });
    bench.disconnect(link, Closed::Fault(Fault::Framing));
    assert!(bench.try_accept(PeerInfo { address: peer(1).address, ..peer(2) }).is_ok());
}

#[test]
fn a_peer_that_does_not_read_for_ten_seconds_is_let_go() {
    let mut bench = Bench::new();
    let (one, two) = (bench.accept(1), bench.accept(2));
    for _ in 0..=CONGESTED_MS_MAX / 1000 {
        bench.handle(Input::Congested { link: one, dropped: 3 });
        bench.pass(1000);
    }
    assert_eq!(ended(&bench.outputs), [(one, ByeCode::Slow)]);
    // Overflows that lie apart are forgiven.
    for _ in 0..20 {
        bench.handle(Input::Congested { link: two, dropped: 1 });
        bench.pass(10_000);
    }
    assert_eq!(ended(&bench.outputs).len(), 1);
    assert!(bench.router.counters().congested > 30);
}

#[test]
fn addresses_that_peers_tell_are_dialled_until_there_are_enough_links() {
    let mut bench = Bench::with(|config| config.outbound_wanted = 3);
    let link = bench.accept(1);
    let addresses = (1..=20).map(|number| format!("10.1.0.{number}:4038").parse().unwrap()).collect();
    let dialled = dials(&bench.handle(Input::Control { link, control: Control::Peers(addresses) }));
    assert_eq!(dialled.len(), 3);
    assert_eq!(bench.router.addresses_len(), 20);
}

#[test]
fn who_is_on_the_internet_cannot_send_us_knocking_in_our_own_house() {
    let mut bench = Bench::new();
    let at = PeerInfo { address: "9.9.9.9:50000".parse().unwrap(), ..peer(1) };
    let link = bench.try_accept(at).unwrap();
    let addresses = ["192.168.1.1:4038", "127.0.0.1:4038", "8.8.8.8:4038"].map(|text| text.parse().unwrap()).to_vec();
    let dialled = dials(&bench.handle(Input::Control { link, control: Control::Peers(addresses) }));
    assert_eq!(dialled.len(), 1);
    assert_eq!(dialled[0].1.to_string(), "8.8.8.8:4038");
}

#[test]
fn outgoing_links_go_to_different_network_groups() {
    let mut bench = Bench::new();
    let link = bench.accept(1);
    let addresses = (1..=60).map(|number| format!("9.9.0.{number}:4038").parse().unwrap()).collect();
    assert_eq!(dials(&bench.handle(Input::Control { link, control: Control::Peers(addresses) })).len(), 1);
}

#[test]
fn without_discovery_only_the_users_peers_are_dialled_and_nobody_is_told() {
    let mut bench = Bench::with(|config| config.discovery = false);
    let link = bench.try_accept(PeerInfo { listen_port: 4038, ..peer(1) }).unwrap();
    let addresses = vec!["10.1.0.1:4038".parse().unwrap()];
    assert!(dials(&bench.handle(Input::Control { link, control: Control::Peers(addresses) })).is_empty());
    assert!(bench.add(AddressSource::Book, &["10.1.0.2:4038"]).is_empty());
    assert_eq!(bench.add(AddressSource::User, &["10.1.0.3:4038"]).len(), 1);
    bench.accept(2);
    assert!(told(&bench.outputs).is_empty());
}

#[test]
fn a_new_tls_peer_is_told_who_answers() {
    let mut bench = Bench::new();
    let (link, address) = bench.add(AddressSource::User, &["10.0.0.7:4038"]).remove(0);
    bench.handle(Input::Connected { link, peer: dialled_peer(7, &address) });
    bench.accept(1);
    assert_eq!(told(&bench.outputs), [address]);
}

#[test]
fn the_book_is_bounded_and_handed_out_to_be_written() {
    let mut bench = Bench::new();
    for host in 0..ADDRESSES_MAX / 200 + 2 {
        let known = (0..200u8).map(|last| KnownAddress::unknown(format!("10.2.{host}.{last}:4038").parse().unwrap()));
        bench.handle(Input::Addresses { source: AddressSource::Book, known: known.collect() });
    }
    assert_eq!(bench.router.addresses_len(), ADDRESSES_MAX);
    let written = bench.pass(10_001);
    let books = written.iter().filter(|output| matches!(output, Output::Addresses(_))).count();
    assert_eq!(books, 1, "written once in ten seconds");
}

#[test]
fn one_peer_cannot_fill_the_book() {
    let mut bench = Bench::new();
    let link = bench.accept(1);
    for host in 0..20 {
        let addresses = (0..64).map(|last| format!("10.3.{host}.{last}:4038").parse().unwrap()).collect();
        bench.handle(Input::Control { link, control: Control::Peers(addresses) });
    }
    assert_eq!(bench.router.addresses_len(), 256);
}

#[test]
fn dials_under_way_are_bounded() {
    let mut bench = Bench::new();
    let addresses: Vec<_> = (1..=40).map(|number| format!("10.4.0.{number}:4038")).collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    let dialled = bench.add(AddressSource::User, &addresses);
    assert_eq!(dialled.len(), DIALS_MAX);
    let next = bench.disconnect(dialled[0].0, Closed::NotReached("no".into()));
    assert_eq!(dials(&next).len(), 1, "the next one has its turn");
}

#[test]
fn an_address_that_never_answers_is_forgotten_unless_the_user_gave_it() {
    for (source, left) in [(AddressSource::Peer, 0), (AddressSource::User, 1)] {
        let mut bench = Bench::new();
        bench.add(source, &["10.0.0.7:4038"]);
        for _ in 0..30 {
            if let Some((link, _)) = dials(&std::mem::take(&mut bench.outputs)).pop() {
                bench.disconnect(link, Closed::NotReached("no route".into()));
            }
            bench.pass(RETRY_MS_LAST * 2);
        }
        assert_eq!(bench.router.addresses_len(), left);
    }
}

#[test]
fn a_clock_that_was_wrong_bans_nobody_for_years() {
    let mut bench = Bench::new();
    bench.wall_ms += 10 * 365 * 86_400_000;
    let at = PeerInfo { address: "9.9.9.9:50000".parse().unwrap(), ..peer(1) };
    let link = bench.try_accept(at.clone()).unwrap();
    bench.handle(Input::Faulted { link, fault: Fault::Framing });
    bench.disconnect(link, Closed::Fault(Fault::Framing));
    bench.wall_ms -= 10 * 365 * 86_400_000;
    // It is noticed at the next look.
    bench.pass(u64::from(BAN_S) * 1000 + 60_000);
    assert!(bench.try_accept(at).is_ok());
}

#[test]
fn a_book_of_a_wrong_clock_bans_nobody_for_years_and_an_address_of_our_own_nobody_else_there() {
    let mut bench = Bench::new();
    let in_years = u32::try_from(bench.wall_ms / 1000).unwrap() + 10 * 365 * 86_400;
    let known = |address: &str, banned_until: u32| KnownAddress {
        banned_until,
        reached: 1,
        ..KnownAddress::unknown(address.parse().unwrap())
    };
    let known = vec![known("9.9.9.9:4038", in_years), known("8.8.8.8:4038", u32::MAX)];
    bench.handle(Input::Addresses { source: AddressSource::Book, known });
    let at = |address: &str, number: u8| PeerInfo { address: address.parse().unwrap(), ..peer(number) };
    assert!(bench.try_accept(at("8.8.8.8:50000", 1)).is_ok(), "it was this node that listened there");
    assert!(bench.try_accept(at("9.9.9.9:50000", 2)).is_err());
    bench.pass(u64::from(BAN_S) * 1000 + 60_000);
    assert!(bench.try_accept(at("9.9.9.9:50000", 2)).is_ok());
}

#[test]
fn peers_whose_clocks_agree_against_ours_are_reported_once() {
    let mut bench = Bench::new();
    for number in 1..=4 {
        bench.try_accept(PeerInfo { clock_ahead_s: 3600, ..peer(number) }).unwrap();
    }
    let outputs = bench.pass(60_000);
    assert_eq!(reports(&outputs), [Report::ClockDisagrees { ahead_s: 3600, peers: 4 }]);
}
