use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Why a certificate or key cannot be used.
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
    #[error("the key in {key} does not go with the certificate in {certificate}: {source}",
        key = key.display(), certificate = certificate.display())]
    Pair {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

/// A TLS 1.2 and 1.3 configuration from a PEM chain (leaf first) and a PEM private key (PKCS#8, PKCS#1 or
/// SEC1). Reads both files; call it before serving.
pub fn tls_config(cert_pem: &Path, key_pem: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let certificate = |source| TlsError::Certificate { file: cert_pem.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(cert_pem).map_err(certificate)?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(certificate)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(cert_pem.to_owned()));
    }
    let key =
        PrivateKeyDer::from_pem_file(key_pem).map_err(|source| TlsError::Key { file: key_pem.to_owned(), source })?;
    let pair = |source| TlsError::Pair { certificate: cert_pem.to_owned(), key: key_pem.to_owned(), source };
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    #[test]
    fn errors_name_the_file_and_what_is_wrong_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let cert = write(folder.path(), "cert.pem", &made.cert.pem());
        let key = write(folder.path(), "key.pem", &made.signing_key.serialize_pem());
        let other_key = write(folder.path(), "other.pem", &other.signing_key.serialize_pem());
        let empty = write(folder.path(), "empty.pem", "");
        let missing = folder.path().join("missing.pem");

        assert!(tls_config(&cert, &key).is_ok());
        let shown = |cert: &Path, key: &Path| {
            let error = tls_config(cert, key).expect_err("refused").to_string();
            error.replace(&format!("{}/", folder.path().display()), "")
        };
        assert!(shown(&missing, &key).starts_with("the certificate file missing.pem cannot be read: "));
        assert_eq!(shown(&empty, &key), "the certificate file empty.pem holds no certificate");
        assert_eq!(shown(&key, &key), "the certificate file key.pem holds no certificate");
        assert!(shown(&cert, &missing).starts_with("the key file missing.pem cannot be read: "));
        assert!(shown(&cert, &empty).starts_with("the key file empty.pem cannot be read: "));
        assert!(
            shown(&cert, &other_key).starts_with("the key in other.pem does not go with the certificate in cert.pem: ")
        );
    }
}
