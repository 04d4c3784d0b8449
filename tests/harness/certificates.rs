//! Certificates of an authority of our own, as PEM files.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    /// Its own certificate.
    pub(crate) file: PathBuf,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    /// Makes one that writes into a folder.
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("keys can be made");
        let own = params.self_signed(&key).expect("an authority signs itself");
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, own.pem()).expect("the folder is writable");
        Self { issuer: Issuer::new(params, key), folder: folder.to_owned(), file }
    }

    /// Signs a certificate for some names, in files of that title.
    pub(crate) fn sign(&self, title: &str, names: &[&str]) -> Files {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("these are names");
        let key = KeyPair::generate().expect("keys can be made");
        let signed = params.signed_by(&key, &self.issuer).expect("an authority signs");
        let files = Files {
            certificate: self.folder.join(format!("{title}.pem")),
            key: self.folder.join(format!("{title}.key")),
        };
        fs::write(&files.certificate, signed.pem()).expect("the folder is writable");
        fs::write(&files.key, key.serialize_pem()).expect("the folder is writable");
        files
    }
}
