//! Who a node is in TLS 1.3: one Ed25519 key, shown raw (RFC 7250), without names, dates or authorities.
//! Never decides whether a peer is welcome: any key may connect, and its owner has proven to hold it.

use std::fmt;
use std::sync::Arc;

use nightjar_core::chain::Network;
use nightjar_core::link::NodeKey;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Connection, DigitallySignedStruct, DistinguishedName, Error,
    ServerConfig, ServerConnection, SignatureScheme,
};
use zeroize::{Zeroize as _, Zeroizing};

/// The key pair of a node. Debug shows the public key only.
#[derive(Clone)]
pub struct NodeIdentity {
    node_key: NodeKey,
    certified: Arc<CertifiedKey>,
}

impl NodeIdentity {
    /// The key pair of an Ed25519 seed (RFC 8032, the 32 secret bytes). The copy handed in is wiped.
    pub fn from_seed(mut seed: [u8; 32]) -> Self {
        let mut pkcs8 = Zeroizing::new([0; PKCS8_BEFORE_SEED.len() + 32]);
        let (before, rest) = pkcs8.split_at_mut(PKCS8_BEFORE_SEED.len());
        before.copy_from_slice(&PKCS8_BEFORE_SEED);
        rest.copy_from_slice(&seed);
        seed.zeroize();
        let signing_key = aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()))
            .expect("any 32 bytes are the seed of an Ed25519 key");
        let public = signing_key.public_key().expect("an Ed25519 key pair knows its public key");
        let node_key = node_key_of(&public).expect("the public key is an Ed25519 key");
        let raw_key = CertificateDer::from(public.to_vec());
        Self { node_key, certified: Arc::new(CertifiedKey::new(vec![raw_key], signing_key)) }
    }

    /// Its public half.
    pub const fn node_key(&self) -> NodeKey {
        self.node_key
    }
}

impl fmt::Debug for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeIdentity").field(&self.node_key).finish()
    }
}

/// What rustls needs to know, made once for all links of a node.
#[derive(Clone)]
pub(super) struct Endpoints {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: ServerName<'static>,
}

impl Endpoints {
    pub(super) fn new(identity: &NodeIdentity, network: Network) -> Self {
        let provider = Arc::new(provider());
        let verifier = Arc::new(RawKeys(provider.signature_verification_algorithms));
        let versions = [&rustls::version::TLS13];
        let alpn = vec![alpn(network).to_vec()];

        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .expect("the provider has suites of TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(
                &identity.certified,
            ))));
        client.alpn_protocols.clone_from(&alpn);
        client.resumption = Resumption::disabled();
        client.enable_sni = false;
        client.enable_early_data = false;

        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .expect("the provider has suites of TLS 1.3")
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(&identity.certified))));
        server.alpn_protocols = alpn;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.max_early_data_size = 0;

        let name = ServerName::try_from("nightjar.invalid").expect("it is written as a host name is");
        Self { client: Arc::new(client), server: Arc::new(server), name }
    }

    pub(super) fn connection(&self, outbound: bool) -> Connection {
        let mut connection = if outbound {
            ClientConnection::new(Arc::clone(&self.client), self.name.clone()).map(Connection::from)
        } else {
            ServerConnection::new(Arc::clone(&self.server)).map(Connection::from)
        }
        .expect("a configuration that could be built can be used");
        // The session bounds what it hands over; a limit in rustls would cut a frame in two.
        connection.set_buffer_limit(None);
        connection
    }
}

/// The protocol's name in ALPN: nodes of two networks do not get past it.
pub(super) const fn alpn(network: Network) -> &'static [u8] {
    match network {
        Network::Main => b"pip38/1",
        Network::Test => b"pip38-test/1",
    }
}

/// The node key in a raw public key (RFC 8410): `None` for any other kind of key.
pub(super) fn node_key_of(spki: &[u8]) -> Option<NodeKey> {
    let key = spki.strip_prefix(&SPKI_BEFORE_KEY)?;
    Some(NodeKey(key.try_into().ok()?))
}

fn provider() -> CryptoProvider {
    CryptoProvider {
        // Half the rounds of AES-256 for a flood that everyone may read anyway.
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
        ],
        ..aws_lc_rs::default_provider()
    }
}

/// Takes any Ed25519 key, and holds its owner to the handshake's signature.
#[derive(Debug)]
struct RawKeys(WebPkiSupportedAlgorithms);

impl RawKeys {
    fn check_key(end_entity: &[u8], others: &[CertificateDer<'_>]) -> Result<(), Error> {
        if node_key_of(end_entity).is_some() && others.is_empty() {
            Ok(())
        } else {
            Err(CertificateError::BadEncoding.into())
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &spki, signature, &self.0)
    }
}

impl ServerCertVerifier for RawKeys {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Self::check_key(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("this link speaks TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for RawKeys {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Self::check_key(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("this link speaks TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// RFC 8410, section 7: version 0, the algorithm's number, and two wrappings of the 32 bytes that follow.
const PKCS8_BEFORE_SEED: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// RFC 8410, section 4: the algorithm's number and the wrapping of the 32 bytes that follow.
const SPKI_BEFORE_KEY: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn the_node_key_is_the_public_key_of_the_seed() {
        // RFC 8032, section 7.1, test 1.
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
            0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let identity = NodeIdentity::from_seed(seed);
        let wanted = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(identity.node_key().to_string(), wanted);
        assert_eq!(format!("{identity:?}"), format!("NodeIdentity({wanted})"));
    }

    #[test]
    fn only_an_ed25519_key_is_a_node_key() {
        let mut spki = SPKI_BEFORE_KEY.to_vec();
        assert_eq!(node_key_of(&spki), None);
        spki.extend([7; 32]);
        assert_eq!(node_key_of(&spki), Some(NodeKey([7; 32])));
        spki.push(0);
        assert_eq!(node_key_of(&spki), None);
        spki.pop();
        spki[8] = 0x6e;
        assert_eq!(node_key_of(&spki), None);
    }
}
