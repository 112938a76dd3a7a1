//! What a node writes for its operator: that links come and go, and nothing of what people say, to whom, or of secrets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod link_common;
mod node_common;

use std::io::Write;
use std::sync::{Arc, Mutex};

use link_common::Raw;
use nightjar_core::address::{Address, LinkKind};
use nightjar_core::chain::Network;
use nightjar_core::name::TypedName;
use nightjar_core::record::Record;
use nightjar_node::data_dir::DataDir;
use nightjar_node::foreign::{DaemonOptions, LiteralPeer, UnmodifiedDaemon};
use nightjar_node::handle::ListenTo;
use nightjar_node::message::Draft;
use node_common::TestNode;
use tokio::net::TcpStream;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One test, for the subscriber is the process's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_names_nor_texts_nor_secrets_stand_in_the_log() {
    let lines = Lines::default();
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_ansi(false).with_writer(lines.clone()).init();
    let own = "127.0.0.1:0".parse().unwrap();
    let literal = LiteralPeer::bind(own, Network::Main).await.unwrap();
    let daemon = UnmodifiedDaemon::bind(own, DaemonOptions::default()).await.unwrap();
    let pascal = |to: std::net::SocketAddr| Address::new(LinkKind::Pascal, to.ip(), to.port());
    let one = TestNode::start(&[pascal(literal.address()), pascal(daemon.address())]).await;
    let two = TestNode::start_with(&[one.tls()], |config| config.discovery = true).await;
    let token = one.dir.as_ref().unwrap().token().unwrap();
    let key_file = std::fs::read(one.temp.path().join("data").join("node_key")).unwrap();
    let names = ["#secretchannel", "whispernick", "1234-44"];
    one.linked(3).await;

    let mut unwanted = vec![token, String::from_utf8_lossy(&key_file).trim().to_owned(), hex(&key_file)];
    for (number, name) in names.into_iter().enumerate() {
        let typed: TypedName = name.parse().unwrap();
        let target = typed.targets()[0];
        unwanted.extend([name.trim_start_matches('#').to_owned(), target.to_string(), format!("{:?}", target.0)]);
        two.listen(name).await;
        one.say(name, "burntoast text").await;
        let plain = Draft { plain: true, ..Draft::text(typed.clone(), "burntoast plain") };
        unwanted.push(one.handle().publish(plain).await.unwrap().msg_id.to_string());
        literal.send(target, b"burntoast literal");
        two.messages(3 * (number + 1)).await;
    }
    unwanted.extend(["burntoast".to_owned(), hex(b"burntoast")]);
    assert_eq!(daemon.send_message(b"burntoast of a wallet"), 1);
    one.handle().send_wallet(daemon.address(), "burntoast to a wallet".to_owned()).await.unwrap();
    one.messages(2).await;

    // A peer that is not there: bound, and not listening.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind(own).unwrap();
    let address = nobody.local_addr().unwrap();
    one.handle().add_peer(Address::new(LinkKind::Tls, address.ip(), address.port())).await;

    // Peers that do wrong, records that are not taken, a clock that steps, an MD5 copy, an end.
    let listen = two.handle().about().listen;
    let mut raw = Raw::connect(9, TcpStream::connect(listen).await.unwrap()).await;
    two.linked(2).await;
    let expired =
        Record::dated("#secretchannel".parse::<TypedName>().unwrap().targets()[0], b"burntoast", 1, 0, [0; 8]);
    let mut frame = vec![2, 0];
    frame.extend_from_slice(&u32::try_from(4 + expired.as_ref().unwrap().bytes().len()).unwrap().to_le_bytes()[..3]);
    frame.extend([1, 0, 0, 0]);
    frame.extend(expired.unwrap().bytes());
    raw.channel.write(&frame);
    raw.flush().await;
    two.until(|status| status.counters.expired == 1).await;
    raw.channel.write(b"\x02\x00\x03\x00\x00burntoast");
    raw.flush().await;
    two.linked(1).await;
    two.clock.step(60_000);
    two.say("#secretchannel", "burntoast after the step").await;
    let listens = ListenTo::Name("whispernick".parse().unwrap());
    assert_eq!(two.handle().unlisten(listens, None).await, Some(true));
    let temp = two.stop().await;
    // A broken file of what was seen, and a restart.
    std::fs::write(temp.path().join("data").join("seen"), b"broken").unwrap();
    TestNode::start_in(temp, &[one.tls()], |_| {}).await.stop().await;
    let temp = one.stop().await;
    assert!(DataDir::open(&temp.path().join("data")).is_ok());

    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for said in ["a link is open", "a peer is not reached", "the clock of this machine was set", "is left aside"] {
        assert!(log.contains(said), "{said:?} is missing in\n{log}");
    }
    for unwanted in unwanted {
        assert!(unwanted.len() >= 7, "{unwanted:?} would say nothing");
        assert!(!log.contains(&unwanted), "{unwanted:?} stands in\n{log}");
    }
}
