//! No bytes make the parser of the TLS link's inner frames panic, read beyond them or hold more than they hold.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_core::item::{BYE_TEXT_BYTES_MAX, PEERS_MAX, SERVED_RECORDS_MAX};
use nightjar_core::link::AGENT_BYTES_MAX;
use nightjar_wire::secure::frame::{FRAME_BYTES_MAX, Frame};

#[test]
fn inner_frame() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let mut rest = bytes;
        while let Ok(Some((frame, used))) = Frame::parse(rest) {
            assert!(used <= rest.len() && used <= FRAME_BYTES_MAX);
            rest = &rest[used..];
            match frame {
                Frame::Open(open) => assert!(open.agent.len() <= AGENT_BYTES_MAX),
                Frame::Peers(peers) => assert!(peers.len() <= PEERS_MAX),
                Frame::Bye { text, .. } => assert!(text.len() <= BYE_TEXT_BYTES_MAX),
                Frame::Records(mut records) => {
                    let mut bytes = 0;
                    while let Ok(Some((record, _))) = records.next() {
                        bytes += record.bytes().len();
                    }
                    assert!(bytes <= used);
                }
                Frame::Served { records, .. } => {
                    assert!(
                        records.len() <= SERVED_RECORDS_MAX && records.iter().all(|record| record.stamp().is_some())
                    );
                }
                Frame::CatchUp { message, .. } => assert!(message.fits() && message.bytes() < used),
                Frame::Ping(_) | Frame::Pong(_) | Frame::Skipped => {}
            }
        }
    });
}
