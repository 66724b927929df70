//! Whom the client trusts, and what it shows of itself.

#![expect(clippy::unwrap_used, reason = "without its certificates there is no test")]

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use yba_client::{ErrorKind, Proxy, Reach, RetryPolicy, SecretString, YbaClient, YbaClientBuilder};

/// A private authority, made for one test.
struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), der: certificate.der().clone(), issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
            pem: format!("{}{}", certificate.pem(), key.serialize_pem()),
        }
    }
}

/// A server on TLS that answers every request with a version; asks for client certificates of `clients`.
async fn serve(authority: &Authority, clients: Option<&Authority>) -> String {
    let identity = authority.sign("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = builder.with_single_cert(identity.chain, identity.key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                let body = r#"{"version":"2024.2.0.0-b145"}"#;
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                // A client that has left sees nothing of this.
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    format!("https://{address}")
}

fn builder(address: &str) -> YbaClientBuilder {
    YbaClient::builder(address).proxy(Proxy::None).retry(RetryPolicy::never())
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_when_given() {
    let authority = Authority::new();
    let address = serve(&authority, None).await;
    let stranger = builder(&address).build().unwrap();
    let refused = stranger.app_version().await.unwrap_err();
    assert_eq!((refused.kind(), refused.reach()), (ErrorKind::Connect, Reach::NotSent), "{refused:?}");

    let other = builder(&address).ca_certificate(Authority::new().pem).build().unwrap();
    assert_eq!(other.app_version().await.unwrap_err().kind(), ErrorKind::Connect);

    let trusting = builder(&address).ca_certificate(authority.pem).build().unwrap();
    assert_eq!(trusting.app_version().await.unwrap().version, "2024.2.0.0-b145");
}

#[tokio::test]
async fn verification_can_be_switched_off_loudly() {
    let address = serve(&Authority::new(), None).await;
    let reckless = builder(&address).danger_accept_any_certificate().build().unwrap();
    assert!(reckless.app_version().await.is_ok());
}

#[tokio::test]
async fn a_server_that_asks_is_shown_the_client_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let address = serve(&servers, Some(&clients)).await;
    let us = clients.sign("yba-client", ExtendedKeyUsagePurpose::ClientAuth);
    let known = builder(&address).ca_certificate(servers.pem.clone());
    let known = known.client_certificate(SecretString::from(us.pem)).build().unwrap();
    assert!(known.app_version().await.is_ok());
    let unknown = builder(&address).ca_certificate(servers.pem).build().unwrap();
    assert!(unknown.app_version().await.is_err());
}
