//! The certificate of RTMPS: read at the start, and again when its files change.
//!
//! A renewed certificate holds for connections made from then on; a file that cannot be read leaves the old one in force.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use kit::Stop;
use kit::config::RtmpsConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use tracing::{info, warn};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why RTMPS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read the certificate {path}: {source}")]
    Certificate { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("{path} holds no certificate")]
    Empty { path: PathBuf },
    #[error("cannot read the private key {path}: {source}")]
    Key { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// What a TLS listener needs.
#[derive(Debug, Clone)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

/// The certificate in force.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    /// The same for every name: whether it is the right one is for the client to judge.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// Reads the files that are named. Fails with a sentence about the one that is wrong.
    pub fn load(config: &RtmpsConfig) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (certificate, key) = (config.certificate.clone(), config.key.clone());
        let current = Arc::new(Current(RwLock::new(read(&certificate, &key, &provider)?)));
        let resolver: Arc<dyn ResolvesServerCert> = current.clone();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        Ok(Self { certificate, key, current, config: Arc::new(config) })
    }

    /// TLS for a connection that was accepted.
    pub(crate) fn accept(&self) -> Result<ServerConnection, TlsError> {
        Ok(ServerConnection::new(Arc::clone(&self.config))?)
    }

    /// Takes changed files over until the stop.
    pub(crate) async fn keep_fresh(self, stop: Stop) {
        let mut known = self.changed_at();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let now = self.changed_at();
            if now == std::mem::replace(&mut known, now) {
                continue;
            }
            match read(&self.certificate, &self.key, self.config.crypto_provider()) {
                Ok(fresh) => {
                    *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                    info!("the certificate of RTMPS was renewed");
                }
                // Often the other of the two is still to be written; that will change this again.
                Err(error) => warn!(%error, "the new certificate of RTMPS cannot be used; the old one stays in force"),
            }
        }
    }

    fn changed_at(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key].map(|path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok())
    }
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    let unreadable = |source| TlsError::Certificate { path: certificate.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(certificate).map_err(unreadable)?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if chain.is_empty() {
        return Err(TlsError::Empty { path: certificate.to_owned() });
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Key { path: key.to_owned(), source })?;
    Ok(Arc::new(CertifiedKey::from_der(chain, private, provider)?))
}
