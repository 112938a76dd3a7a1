//! The state of one link's protocol, without its socket: bytes in, events out; items in, bytes out.

use nightjar_core::fault::Fault;
use nightjar_core::item::{Batch, Control, Item};
use nightjar_core::link::PeerInfo;
use nightjar_core::reconcile::Exchange;
use nightjar_core::record::Record;
use nightjar_core::time::{Mono, Now};

/// One protocol on one link. It has no socket and no clock: the link drives it.
///
/// The link keeps to this order: `receive` what was read (or `tick` when `deadline` has come), drain `poll`,
/// hand over what is to be sent with `send`, then `transmit` and write.
pub trait Session: Send {
    /// Takes bytes as they were read, in pieces of any size; they may hold no frame, a part of one, or many.
    ///
    /// An error ends the link: first what `transmit` still gives is written (a farewell, if the protocol has one),
    /// then the socket is closed. Events found before the error can still be polled.
    fn receive(&mut self, now: Now, bytes: &[u8]) -> Result<(), Fault>;

    /// Takes an item to send. Items that this protocol or this peer cannot carry are dropped silently and
    /// counted; before the handshake is done they wait, within bounds.
    fn send(&mut self, now: Now, item: &Item);

    /// Appends bytes that are to be written now. The link calls it when everything it gave before was handed to
    /// the socket, and writes what it gives with a single call: a session that may have one frame in flight
    /// gives one frame at a time and sets its `deadline` for the next.
    fn transmit(&mut self, now: Now, out: &mut Vec<u8>);

    /// What happened since, oldest first; `None` when nothing is left.
    fn poll(&mut self) -> Option<SessionEvent>;

    /// When `tick` is due.
    fn deadline(&self) -> Option<Mono>;

    /// `deadline` has come. An error ends the link, as in `receive`.
    fn tick(&mut self, now: Now) -> Result<(), Fault>;

    /// How many bytes wait in the session to be given by `transmit`: the link takes no more items while this is above
    /// its bound, so that a peer that does not read costs a fixed amount of memory.
    fn pending_bytes(&self) -> usize;
}

/// What a session has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionEvent {
    /// The handshake is done; comes once, before any other event.
    Open(PeerInfo),
    /// Records of one read.
    Records(Batch),
    /// Records that were asked for, in the exchange as of the side that sent them.
    Served {
        /// The exchange.
        exchange: Exchange,
        /// The records: dated ones, whatever their date.
        records: Vec<Record>,
    },
    /// Anything else.
    Control(Control),
    /// A fault that does not end the link.
    Fault(Fault),
    /// The other side ended the link in good order: close the socket once `transmit` gives nothing more.
    /// A BYE came as a control before.
    Closed,
}
