//! The one loop of a node: reports of links and requests of front ends go into the router, what comes out is done.
//! Never decides where a record goes, and never waits for a link, a disk or a reader.

mod asks;
mod draft;
mod listens;
mod run;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use nightjar_core::address::{Address, LinkKind, is_public_ip};
use nightjar_core::router::{AddressSource, Input, KnownAddress, Router, RouterConfig};
use nightjar_core::time::Now;
use nightjar_pasc::key::Curve;
use nightjar_pasc::key::PrivateKey;
use nightjar_wire::pascal::{Feature, PascalConfig, PascalSession};
use nightjar_wire::secure::{CATCH_UP, NodeIdentity, SecureConfig, SecureSession};
use nightjar_wire::session::Session;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use self::listens::Listens;
use self::run::{Engine, Inlets, Parts};
use crate::chain::daemon::Daemon;
use crate::chain::view::ChainView;
use crate::clock::Clock;
use crate::config::Checked;
use crate::data_dir::{DataDir, DataDirError};
use crate::handle::{About, Handle, PUBLISHES_MAX, REQUESTS_MAX, Status};
use crate::identity::{Identities, LoadError};
use crate::link::{BindError, LinkLimits, LinkOptions, Links, Listener};
use crate::post::Post;
use crate::seen_file;
use crate::store::{OpenError, ReadError};
use crate::verify::VerifyPool;
use crate::window::{Window, WindowOptions};

/// What the program says it is to peers.
pub const AGENT: &str = concat!("Nightjar/", env!("CARGO_PKG_VERSION"));
/// Links may say their last words for so long after they were told to; then the node ends without them.
const STOP_MS_MAX: u64 = 3_000;

/// A running node. Dropping it ends the node as [`Node::stop`] does, without waiting for it.
#[derive(Debug)]
pub struct Node {
    handle: Handle,
    stop: watch::Sender<()>,
    engine: JoinHandle<()>,
}

/// The node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something about its data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Its chat keys.
    #[error(transparent)]
    Identities(#[from] LoadError),
    /// Its store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// What stands in its store.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// Its window.
    #[error(transparent)]
    Window(#[from] crate::window::OpenError),
    /// Its port for peers.
    #[error(transparent)]
    Listen(#[from] BindError),
    /// The threads that check signatures.
    #[error("no thread can be started to check signatures ({0}): raise the limit of threads for this user")]
    Verify(#[source] std::io::Error),
    /// The system has no randomness.
    #[error("the system gives no random numbers ({0}): a node cannot start without them")]
    Random(#[from] getrandom::Error),
}

impl Node {
    /// Starts a node on a data directory that the caller holds. When it returns, peers can connect.
    pub async fn start(config: &Checked, dir: &DataDir, clock: Clock) -> Result<Self, StartError> {
        let mut chance = random()?;
        let identities = Identities::load(&dir.identities())?;
        let for_post = ChaCha20Rng::from_seed(chance_seed(&mut chance));
        let post = Post::open(
            config.network,
            &dir.database(),
            config.store,
            config.acknowledge,
            identities,
            clock.clone(),
            for_post,
        )?;
        let store = post.store().clone();
        let (listens, book) = (store.listens().await?, store.addresses().await?);
        let now = clock.now();
        // Through a proxy a node is to be another one each time: its key would say where it was before.
        let identity =
            if config.socks5.is_some() { NodeIdentity::from_seed(chance_seed(&mut chance)) } else { dir.identity()? };
        let listener = Listener::bind(config.listen)?;
        let listen = listener.address();
        let seen = seen_file::load(&dir.seen(), config.seen_bytes, now.wall);
        let (window, findings) = match config.window {
            Some(limits) => {
                let options = WindowOptions { network: config.network, limits, budgets: config.budgets };
                let (window, findings) = Window::open(&dir.window(), options, clock.clone(), store.clone())?;
                (Some(window), Some(findings))
            }
            None => (None, None),
        };
        let dated_key = seen.as_ref().map(|seen| seen.key);
        let router_config = RouterConfig { dated_key, window: window.is_some(), ..router_config(config, &identity) };
        let mut router = Router::new(router_config, chance_seed(&mut chance), now);
        router.restore_seen(seen.into_iter().flat_map(|seen| seen.entries));

        let sessions = Sessions::new(config, &identity, listen, &router, &mut chance);
        let options = LinkOptions {
            network: config.network,
            socks5: config.socks5.clone(),
            clock: clock.clone(),
            limits: LinkLimits::default(),
        };
        let (links, reports) = Links::new(options, move |kind, outbound, address: &Address, now: Now| {
            sessions.session(kind, outbound, address, now)
        });
        links.accept(listener);

        router.handle(now, Input::Addresses { source: AddressSource::Book, known: book });
        let users = config.connect.iter().map(|address| KnownAddress::unknown(address.clone())).collect();
        router.handle(now, Input::Addresses { source: AddressSource::User, known: users });
        let listens = Listens::kept(listens, &mut chance);
        for target in listens.targets() {
            router.handle(now, Input::Listen { target, on: true });
        }

        let about = Arc::new(About {
            version: env!("CARGO_PKG_VERSION"),
            network: config.network,
            node_key: identity.node_key(),
            listen,
            data_dir: dir.path().to_owned(),
        });
        let (requests, requested) = mpsc::channel(REQUESTS_MAX);
        let (publishes, published) = mpsc::channel(PUBLISHES_MAX);
        let (status, status_seen) = watch::channel(Arc::new(Status::default()));
        let (stop, stopped) = watch::channel(());
        let keyed = post.keyed();
        let (verify, verdicts) = VerifyPool::of_spare_cores(config.network).map_err(StartError::Verify)?;
        let chain_clock = clock.clone();
        let engine = Engine::new(Parts {
            router,
            links,
            listens,
            store: store.clone(),
            window: window.clone(),
            post: post.clone(),
            verify,
            seen_file: dir.seen(),
            clock,
            chance,
            status,
            budgets: config.budgets.is_some(),
        });
        let bare = Handle { requests, publishes, store, window, post, chain: None, status: status_seen, about };
        let inlets = Inlets { reports, verdicts, findings, requests: requested, publishes: published, keyed };
        let engine = tokio::spawn(engine.run(inlets, stopped));
        // The engine answers its questions, so it runs before.
        let chain = ChainView::start(config.daemon.as_deref().map(Daemon::at), bare.clone(), chain_clock);
        let handle = Handle { chain: Some(chain.clone()), ..bare };
        tokio::spawn(crate::post::upkeep::run(handle.clone(), config.log_days));
        tokio::spawn(crate::post::upkeep::follow_strangers(handle.clone()));
        tokio::spawn(crate::post::outbox::run(handle.clone()));
        tokio::spawn(crate::post::ack::run(handle.clone()));
        tokio::spawn(crate::post::look::run(handle.clone(), chain));
        Ok(Self { handle, stop, engine })
    }

    /// The way in.
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Says BYE on every link, writes down what is to be kept, and ends.
    pub async fn stop(self) {
        let Self { handle, stop, engine } = self;
        drop((handle, stop));
        // It fails only if the engine panicked, and then there is nothing left to stop.
        engine.await.unwrap_or_default();
    }

    /// How long [`Node::stop`] waits for links.
    pub const fn stop_ms_max() -> u64 {
        STOP_MS_MAX
    }
}

fn router_config(config: &Checked, identity: &NodeIdentity) -> RouterConfig {
    RouterConfig {
        budgets: config.budgets,
        discovery: config.discovery,
        dated_bytes: config.seen_bytes,
        ..RouterConfig::new(identity.node_key())
    }
}

/// Makes the session of each link.
struct Sessions {
    secure: Arc<SecureConfig>,
    pascal: Arc<PascalConfig>,
    chance: std::sync::Mutex<ChaCha20Rng>,
}

impl Sessions {
    fn new(
        config: &Checked,
        identity: &NodeIdentity,
        listen: SocketAddr,
        router: &Router,
        chance: &mut ChaCha20Rng,
    ) -> Self {
        let hidden = config.socks5.is_some();
        let port = if hidden { 0 } else { listen.port() };
        let features = if config.window.is_some() { CATCH_UP } else { 0 };
        let secure = SecureConfig::new(identity, config.network, port, AGENT, router.seen_view());
        let secure = secure.with_features(features);
        let public = !hidden && listens_publicly(listen);
        let feature =
            if public { Feature { tls_port: port, node_key: Some(identity.node_key()) } } else { Feature::HIDDEN };
        let key = PrivateKey::random(Curve::Secp256k1, chance).expect("every build computes on secp256k1");
        let pascal = PascalConfig::new(config.network, key, feature, AGENT, router.seen_view());
        let chance = std::sync::Mutex::new(ChaCha20Rng::from_seed(chance_seed(chance)));
        Self { secure: Arc::new(secure), pascal: Arc::new(pascal), chance }
    }

    fn session(&self, kind: LinkKind, outbound: bool, address: &Address, now: Now) -> Box<dyn Session> {
        match kind {
            LinkKind::Tls => Box::new(SecureSession::new(Arc::clone(&self.secure), outbound, address.clone(), now)),
            LinkKind::Pascal => {
                // Nobody panics while holding it.
                let seed = chance_seed(&mut self.chance.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
                Box::new(PascalSession::new(Arc::clone(&self.pascal), outbound, address.clone(), now, seed))
            }
        }
    }
}

/// Whether the Internet can reach us there, as far as this machine can know: behind a home router it cannot.
fn listens_publicly(listen: SocketAddr) -> bool {
    if !listen.ip().is_unspecified() {
        return is_public_ip(listen.ip());
    }
    // Connecting a UDP socket sends nothing: it only asks the system which of its addresses it would use.
    let own_address = |from: &str, to: &str| -> Option<IpAddr> {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        socket.local_addr().ok().map(|address| address.ip())
    };
    let v4 = own_address("0.0.0.0:0", "192.0.2.1:9");
    let v6 = own_address("[::]:0", "[2001:db8::1]:9");
    v4.into_iter().chain(v6).any(is_public_ip)
}

/// Chance of the system's.
pub(crate) fn random() -> Result<ChaCha20Rng, getrandom::Error> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice())?;
    Ok(ChaCha20Rng::from_seed(*seed))
}

fn chance_seed(chance: &mut ChaCha20Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    chance.fill_bytes(&mut seed);
    seed
}

/// A wait of the runtime.
const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
