//! No bytes make the readers of PascalCoin's frames, greetings and records panic, read beyond them or keep more than
//! they hold.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_core::chain::Network;
use nightjar_core::link::AGENT_BYTES_MAX;
use nightjar_wire::pascal::Feature;
use nightjar_wire::pascal::frame::{DATA_BYTES_MAX, HEADER_BYTES, Header, RECORDS_PER_FRAME_MAX, Records, magic};
use nightjar_wire::pascal::hello::{Hello, SERVERS_MAX};

#[test]
fn pascal_frame() {
    bolero::check!().for_each(|bytes: &[u8]| {
        header(bytes);
        // Random bytes seldom begin a frame.
        let framed = [&magic(Network::Main), bytes].concat();
        header(&framed);
        records(bytes);
    });
}

#[test]
fn pascal_hello() {
    // Behind the key and the clock stands the block, and behind that the addresses.
    let start = [&[0, 0, 8, 0, 0xca, 2, 1, 0, 5, 1, 0, 7, 0, 0, 0, 0][..], &[3, 1], &[0; 60]].concat();
    bolero::check!().for_each(|bytes: &[u8]| {
        hello(bytes);
        let cut = usize::from(bytes.first().copied().unwrap_or_default()) % (start.len() + 1);
        hello(&[&start[..cut], bytes].concat());
        let feature = [b"PIP38", bytes].concat();
        assert!(Feature::parse(&feature).is_some());
    });
}

fn header(bytes: &[u8]) {
    match Header::parse(Network::Main, bytes) {
        Ok(Some(header)) => {
            let mut again = Vec::new();
            header.write(Network::Main, &mut again);
            assert_eq!(again[..14], bytes[..14]);
            assert_eq!(again[18..], bytes[18..HEADER_BYTES]);
        }
        Ok(None) => assert!(bytes.len() < HEADER_BYTES),
        Err(_) => {}
    }
}

fn records(bytes: &[u8]) {
    let Ok(mut records) = Records::parse(bytes) else { return };
    let (mut count, mut length) = (0, 0);
    while let Ok(Some(record)) = records.next() {
        count += 1;
        length += record.bytes().len();
    }
    assert!(length <= bytes.len() && length <= DATA_BYTES_MAX && count <= RECORDS_PER_FRAME_MAX);
}

fn hello(bytes: &[u8]) {
    if let Ok(hello) = Hello::parse(bytes) {
        assert!(hello.servers.len() <= SERVERS_MAX && hello.agent.len() <= AGENT_BYTES_MAX);
        let again = Hello::parse(&hello.write()).unwrap();
        assert_eq!((again.key, again.agent, again.block), (hello.key, hello.agent, 0));
    }
}
