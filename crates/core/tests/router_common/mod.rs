//! One router and links that exist in the test only.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests, each of which uses a part"
)]

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::item::{Batch, ByeCode, Control, How, Item};
use nightjar_core::link::{Carries, LinkId, LinkSet, NodeKey, PeerInfo};
use nightjar_core::record::{MsgId, Record, Target};
use nightjar_core::router::{
    AddressSource, Closed, Input, KnownAddress, Output, Refusal, Report, Router, RouterConfig,
};
use nightjar_core::time::Now;

pub const START_S: u32 = 1_800_000_000;
pub const OWN_KEY: NodeKey = NodeKey([0x50; 32]);

pub struct Bench {
    pub router: Router,
    pub mono_ms: u64,
    pub wall_ms: u64,
    pub outputs: Vec<Output>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut RouterConfig)) -> Self {
        let mut config = RouterConfig { dated_bytes: 1 << 20, plain_bytes: 1 << 20, ..RouterConfig::new(OWN_KEY) };
        change(&mut config);
        let (mono_ms, wall_ms) = (1, u64::from(START_S) * 1000);
        let router = Router::new(config, [7; 32], Now::new(mono_ms, wall_ms));
        Self { router, mono_ms, wall_ms, outputs: Vec::new() }
    }

    pub fn now(&self) -> Now {
        Now::new(self.mono_ms, self.wall_ms)
    }

    pub fn handle(&mut self, input: Input) -> Vec<Output> {
        self.router.handle(self.now(), input);
        let outputs: Vec<_> = std::iter::from_fn(|| self.router.poll()).collect();
        self.outputs.extend(outputs.iter().cloned());
        outputs
    }

    /// Time goes on; what is due is done at its time.
    pub fn pass(&mut self, ms: u64) -> Vec<Output> {
        let end = self.mono_ms + ms;
        let mut all = Vec::new();
        loop {
            let due = self.router.deadline().map(|due| due.0).filter(|due| *due <= end);
            let Some(due) = due else { break };
            self.step(due.max(self.mono_ms + 1));
            all.extend(self.handle(Input::Tick));
        }
        self.step(end.max(self.mono_ms));
        all.extend(self.handle(Input::Tick));
        all
    }

    fn step(&mut self, mono_ms: u64) {
        self.wall_ms += mono_ms - self.mono_ms;
        self.mono_ms = mono_ms;
    }

    /// A TLS peer connects to us.
    pub fn accept(&mut self, number: u8) -> LinkId {
        self.try_accept(peer(number)).unwrap()
    }

    pub fn try_accept(&mut self, peer: PeerInfo) -> Result<LinkId, Refusal> {
        let link = self.router.admit(self.now(), &peer)?;
        self.handle(Input::Connected { link, peer });
        Ok(link)
    }

    /// Whom the router dials now, the user having asked for it.
    pub fn add(&mut self, source: AddressSource, addresses: &[&str]) -> Vec<(LinkId, Address)> {
        let known = addresses.iter().map(|text| KnownAddress::unknown(text.parse().unwrap())).collect();
        dials(&self.handle(Input::Addresses { source, known }))
    }

    pub fn receive(&mut self, link: LinkId, records: &[Record]) -> Vec<Output> {
        let records = records.iter().map(|record| (record.clone(), 0)).collect();
        let batch = Batch { records, ..Batch::default() };
        self.handle(Input::Received { link, how: How::Flooded, batch })
    }

    pub fn disconnect(&mut self, link: LinkId, why: Closed) -> Vec<Output> {
        self.handle(Input::Disconnected { link, why })
    }
}

pub fn peer(number: u8) -> PeerInfo {
    PeerInfo {
        kind: LinkKind::Tls,
        outbound: false,
        address: format!("10.0.0.{number}:{}", 50_000 + u16::from(number)).parse().unwrap(),
        node_key: Some(NodeKey([number; 32])),
        listen_port: 0,
        agent: "test".into(),
        features: 0,
        clock_ahead_s: 0,
        carries: Carries::Records,
    }
}

pub fn dialled_peer(number: u8, address: &Address) -> PeerInfo {
    PeerInfo { outbound: true, address: address.clone(), kind: address.kind, ..peer(number) }
}

pub fn pascal_peer(number: u8) -> PeerInfo {
    let address = Address { kind: LinkKind::Pascal, ..peer(number).address };
    PeerInfo { kind: LinkKind::Pascal, node_key: None, carries: Carries::Unknown, address, ..peer(number) }
}

pub fn target() -> Target {
    Target([9; 16])
}

pub fn dated(number: u64) -> Record {
    Record::dated(target(), b"body", START_S + 600, 0, number.to_le_bytes()).unwrap()
}

pub fn plain(number: u64) -> Record {
    let mut id = [1; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    Record::plain(MsgId(id), target(), b"body").unwrap()
}

/// The records that were sent, and to whom.
pub fn sent(outputs: &[Output]) -> Vec<(Record, LinkSet)> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send { links, item: Item::Record { record, .. } } => Some((record.clone(), *links)),
            _ => None,
        })
        .collect()
}

pub fn delivered(outputs: &[Output]) -> Vec<Record> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Deliver(record) => Some(record.clone()),
            _ => None,
        })
        .collect()
}

/// What goes into the window.
pub fn keeps(outputs: &[Output]) -> Vec<Record> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Keep(record) => Some(record.clone()),
            _ => None,
        })
        .collect()
}

pub fn dials(outputs: &[Output]) -> Vec<(LinkId, Address)> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Connect { link, address } => Some((*link, address.clone())),
            _ => None,
        })
        .collect()
}

pub fn ended(outputs: &[Output]) -> Vec<(LinkId, ByeCode)> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Disconnect { link, code, .. } => Some((*link, *code)),
            _ => None,
        })
        .collect()
}

pub fn told(outputs: &[Output]) -> Vec<Address> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send { item: Item::Control(Control::Peers(peers)), .. } => Some(peers.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

pub fn reports(outputs: &[Output]) -> Vec<Report> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Report(report) => Some(report.clone()),
            _ => None,
        })
        .collect()
}

pub fn set(links: &[LinkId]) -> LinkSet {
    let mut set = LinkSet::EMPTY;
    links.iter().for_each(|link| set.insert(*link));
    set
}
