//! TLS by rustls with the ring provider, handed to the HTTP client as a finished configuration, so
//! that this library never installs a process-wide provider.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

/// Whom to trust, and who we are.
#[derive(Default)]
pub(crate) struct TlsSettings {
    pub(crate) extra_roots_pem: Vec<Vec<u8>>,
    pub(crate) identity_pem: Option<secrecy::SecretString>,
    pub(crate) accept_any_certificate: bool,
    /// No configured address uses TLS, so loading the machine's roots would be wasted.
    pub(crate) unused: bool,
}

/// Makes ring the TLS provider of this process, unless it has one already.
///
/// This crate needs no provider of the process and installs none by itself. A `reqwest::Client` of your own may need one;
/// see the crate's first page.
pub fn install_crypto_provider() {
    // An error means that there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

pub(crate) fn client_config(settings: &TlsSettings) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    let builder = if settings.unused {
        builder.with_root_certificates(RootCertStore::empty())
    } else {
        builder.dangerous().with_custom_certificate_verifier(verifier(settings, provider)?)
    };
    let mut config = match &settings.identity_pem {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let (chain, key) = identity(secrecy::ExposeSecret::expose_secret(pem).as_bytes())?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("client certificate: {error}"))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn verifier(
    settings: &TlsSettings,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    if settings.accept_any_certificate {
        return Ok(Arc::new(AcceptAny(provider)));
    }
    let mut extra = Vec::new();
    for pem in &settings.extra_roots_pem {
        let before = extra.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            extra.push(certificate.map_err(|error| format!("CA certificate: {error}"))?);
        }
        if extra.len() == before {
            return Err("CA certificate: the PEM text holds no certificate".to_owned());
        }
    }
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider)
        .map_err(|error| format!("TLS roots: {error}"))?;
    Ok(Arc::new(verifier))
}

fn identity(pem: &[u8]) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("client certificate: {error}"))?;
    if chain.is_empty() {
        return Err("client certificate: the PEM text holds no certificate".to_owned());
    }
    // The parser's own words may quote the key; they are left out.
    let key = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| "client certificate: the PEM text holds no readable private key".to_owned())?;
    Ok((chain, key))
}

/// Verification switched off, for laboratories only.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
