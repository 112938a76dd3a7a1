//! What addresses promise: one text for each, nothing that cannot be dialled, and errors that say what to write.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use std::net::IpAddr;

use nightjar_core::address::{Address, AddressError, HOST_BYTES_MAX, Host, LinkKind, NetworkGroup, is_public_ip};
use proptest::prelude::*;

#[test]
fn an_address_is_written_as_it_is_read() {
    for text in [
        "192.0.2.7:4038",
        "[2001:db8::7]:4038",
        "node.example:1",
        "pascal://127.0.0.1:4004",
        "pascal://[::1]:65535",
        "pascal://node-1.example_x.org:4004",
        "xyz234567.onion:4038",
    ] {
        let address: Address = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(address.to_string(), text);
        assert_eq!(address.kind == LinkKind::Pascal, text.starts_with("pascal://"));
    }
}

#[test]
fn two_texts_of_one_address_are_one_address() {
    for (text, same) in [
        ("Node.EXAMPLE:4038", "node.example:4038"),
        ("[::ffff:192.0.2.7]:4038", "192.0.2.7:4038"),
        ("[2001:DB8:0:0::7]:4038", "[2001:db8::7]:4038"),
        ("192.0.2.7:04038", "192.0.2.7:4038"),
    ] {
        assert_eq!(parse(text), parse(same));
    }
    assert_eq!(Address::new(LinkKind::Tls, "::ffff:192.0.2.7".parse().unwrap(), 4038), parse("192.0.2.7:4038"));
}

#[test]
fn an_address_needs_a_port_that_can_be_dialled() {
    for text in
        ["", "host", "192.0.2.7", "host:", "host:0", "host:65536", "host:-1", "host:+1", "host:4038x", "host: 1"]
    {
        assert_eq!(text.parse::<Address>(), Err(AddressError::Port(text.into())));
    }
    let error = "host".parse::<Address>().unwrap_err().to_string();
    assert_eq!(error, "address \"host\" needs a port from 1 to 65535, as in 192.0.2.7:4038 or [2001:db8::7]:4038");
}

#[test]
fn an_address_needs_a_host_that_could_be_reached() {
    let long = format!("{}:1", vec!["a"; 128].join("."));
    for text in [
        ":1",
        "2001:db8::7:1",
        "[::1:1",
        "::1]:1",
        "[]:1",
        "[127.0.0.1]:1",
        "[fe80::1%eth0]:1",
        "1.2.3:1",
        "1.2.3.4.5:1",
        "256.1.1.1:1",
        "a b:1",
        "a..b:1",
        ".a:1",
        "a.:1",
        "-a:1",
        "a-:1",
        "a.-b:1",
        "ä.example:1",
        "a/b:1",
        "user@a:1",
        &long,
    ] {
        assert_eq!(text.parse::<Address>(), Err(AddressError::Host(text.into())));
    }
    assert_eq!(HOST_BYTES_MAX, 253);
    assert!(format!("{}:1", ["a"; 127].join(".")).parse::<Address>().is_ok());
    assert!(format!("{}:1", "a".repeat(63)).parse::<Address>().is_ok());
    assert!(format!("{}:1", "a".repeat(64)).parse::<Address>().is_err());
}

/// Resolvers read such hosts as IPv4 addresses: 0x7f.1 is this machine.
#[test]
fn a_number_in_other_clothes_is_no_host_name() {
    for host in ["127.1", "2130706433", "0x7f000001", "0x7f.1", "0x7f.0.0.0x1", "0X7F.1", "127.0.0.0x1", "a.1", "0x"] {
        let text = format!("{host}:4038");
        assert_eq!(text.parse::<Address>(), Err(AddressError::Host(text)));
    }
    for host in ["1.example", "0x7f.example", "3com", "x1", "1a.1b"] {
        assert_eq!(parse(&format!("{host}:4038")).host, Host::Name(host.into()));
    }
}

#[test]
fn another_protocol_is_refused_by_name() {
    for text in ["http://host:1", "tls://host:1", "Pascal://host:1", "://host:1"] {
        let error = text.parse::<Address>().unwrap_err();
        assert_eq!(error, AddressError::Scheme(text.into()));
        assert!(error.to_string().contains("pascal://host:port"), "{error}");
    }
}

#[test]
fn only_what_strangers_can_reach_is_public() {
    for ip in
        ["8.8.8.8", "100.63.0.1", "100.128.0.1", "172.15.0.1", "172.32.0.1", "198.20.0.1", "223.255.255.255", "2a00::1"]
    {
        assert!(is_public_ip(ip.parse().unwrap()), "{ip}");
    }
    for ip in [
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "172.16.0.1",
        "192.0.2.7",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd00::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
    ] {
        assert!(!is_public_ip(ip.parse().unwrap()), "{ip}");
    }
    for (name, public) in [
        ("node.example", true),
        ("xyz234567.onion", true),
        ("localhost", false),
        ("node", false),
        ("printer.local", false),
        ("node.localhost", false),
    ] {
        assert_eq!(parse(&format!("{name}:1")).is_public(), public, "{name}");
    }
    assert!(parse("8.8.8.8:1").is_public() && !parse("127.0.0.1:1").is_public());
}

#[test]
fn addresses_that_one_operator_is_likely_to_hold_are_one_group() {
    assert_eq!(parse("192.0.2.7:1").group(), parse("192.0.99.99:4038").group());
    assert_ne!(parse("192.0.2.7:1").group(), parse("192.1.2.7:1").group());
    assert_eq!(parse("[2001:db8:1::1]:1").group(), parse("[2001:db8:2::2]:2").group());
    assert_ne!(parse("[2001:db8::1]:1").group(), parse("[2001:db9::1]:1").group());
    assert_eq!(parse("[::ffff:192.0.2.7]:1").group(), NetworkGroup::V4([192, 0]));
    assert_eq!(parse("Node.example:1").group(), NetworkGroup::Name("node.example".into()));
}

#[test]
fn a_host_alone_stands_as_it_does_before_a_port() {
    assert_eq!("[2001:db8::7]".parse::<Host>(), Ok(Host::Ip("2001:db8::7".parse().unwrap())));
    assert_eq!("192.0.2.7".parse::<Host>(), Ok(Host::Ip("192.0.2.7".parse().unwrap())));
    assert_eq!("NODE".parse::<Host>(), Ok(Host::Name("node".into())));
    assert_eq!("::1".parse::<Host>(), Err(AddressError::Host("::1".into())));
}

proptest! {
    #[test]
    fn no_text_panics_and_an_address_is_its_own_one_form(text in "\\PC{0,40}|(pascal://)?[\\[\\]0-9a-fx:.]{1,30}:[0-9]{1,5}") {
        if let Ok(address) = text.parse::<Address>() {
            prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address.clone()));
            prop_assert!(address.port > 0);
            address.group();
            address.is_public();
        }
    }

    #[test]
    fn every_ip_comes_back(ip in any::<IpAddr>(), port in 1..=u16::MAX, pascal in any::<bool>()) {
        let address = Address::new(if pascal { LinkKind::Pascal } else { LinkKind::Tls }, ip, port);
        prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
    }
}

fn parse(text: &str) -> Address {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}
