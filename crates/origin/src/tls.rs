//! Certificates for HTTPS, and what is spoken over it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::generate_simple_self_signed;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Application protocols in the order of preference (RFC 7301).
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why there is no HTTPS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file cannot be read, or is not PEM.
    #[error("the certificate file {file} cannot be read: {source}", file = file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// The certificate file has no `CERTIFICATE` section.
    #[error("the certificate file {} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// The key file cannot be read, or holds no private key.
    #[error("the key file {file} cannot be read: {source}", file = file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong; never holds key material.
        source: pem::Error,
    },
    /// Both are readable but cannot serve together.
    #[error("the key does not go with the certificate: {0}")]
    Pair(#[from] rustls::Error),
    /// No certificate could be made.
    #[error("no certificate could be made: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

/// TLS 1.2 and 1.3 with HTTP/2 and HTTP/1.1, from a PEM chain (leaf first) and a PEM private key. Reads both files;
/// call it before serving.
///
/// # Errors
/// A file cannot be read or holds something else, or the two do not go together.
pub fn tls_config(cert_pem: &Path, key_pem: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let certificate = |source| TlsError::Certificate { file: cert_pem.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(cert_pem).map_err(certificate)?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(certificate)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(cert_pem.to_owned()));
    }
    let key =
        PrivateKeyDer::from_pem_file(key_pem).map_err(|source| TlsError::Key { file: key_pem.to_owned(), source })?;
    with_certificate(chain, key)
}

/// The same with a certificate made for the occasion, which no client trusts unasked: for trying out.
///
/// # Errors
/// A name is not one that a certificate can carry.
pub fn self_signed(names: &[String]) -> Result<Arc<ServerConfig>, TlsError> {
    let made = generate_simple_self_signed(names)?;
    let key =
        PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(|e| rustls::Error::General(e.into()))?;
    with_certificate(vec![made.cert.der().clone()], key)
}

fn with_certificate(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_for_trying_out_speaks_both_protocols() {
        let config = self_signed(&["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("made");
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn errors_name_the_file_and_what_is_wrong_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let made = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let other = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let cert = write("cert.pem", &made.cert.pem());
        let key = write("key.pem", &made.signing_key.serialize_pem());
        let other_key = write("other.pem", &other.signing_key.serialize_pem());
        assert!(tls_config(&cert, &key).is_ok());
        let shown = |cert: &Path, key: &Path| tls_config(cert, key).expect_err("refused").to_string();
        assert!(shown(&folder.path().join("none.pem"), &key).contains("none.pem cannot be read: "));
        assert!(shown(&key, &key).ends_with("key.pem holds no certificate"));
        assert!(shown(&cert, &cert).contains("cert.pem cannot be read: "));
        assert!(shown(&cert, &other_key).starts_with("the key does not go with the certificate: "));
    }
}
