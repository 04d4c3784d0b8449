//! TLS 1.2 and 1.3 for streams (RFC 5246, RFC 8446): certificates from files, names verified, both
//! sides if need be.

mod fault;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

pub use fault::Fault;

/// A certificate chain, its own certificate first, and its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The chain.
    pub certificate: PathBuf,
    /// The key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// Whether clients of ours show certificates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nobody is asked.
    #[default]
    None,
    /// Those that do are checked.
    Optional,
    /// Those that do not are refused.
    Required,
}

/// What a listener shows, and asks to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// Who we are.
    pub identity: Identity,
    /// Who signs certificates of clients; the system's roots without.
    pub authority: Option<PathBuf>,
    /// Whether clients need any.
    pub clients: ClientCertificates,
}

/// What is wrong with a certificate, and in which file.
#[derive(Debug)]
pub struct CertificateError {
    /// The file; empty for the system's roots.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.as_os_str().is_empty() {
            return f.write_str(&self.problem);
        }
        write!(f, "{}: {}", self.file.display(), self.problem)
    }
}

impl std::error::Error for CertificateError {}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its DNS names, URIs and addresses.
    pub names: Vec<String>,
    /// From when on it holds, seconds since 1970.
    pub begins: i64,
    /// Until when, seconds since 1970.
    pub expires: i64,
}

/// How a listener proves itself. What is loaded anew holds for connections that come then; those
/// that are open go on.
#[derive(Debug, Clone)]
pub struct Server {
    current: watch::Receiver<Arc<ServerConfig>>,
}

/// Replaces what a listener shows.
#[derive(Debug)]
pub struct Reloader {
    files: ServerFiles,
    current: watch::Sender<Arc<ServerConfig>>,
}

/// How peers of ours are checked, and what they are shown. What is loaded anew holds for connections
/// that are opened then.
#[derive(Debug, Clone)]
pub struct Client {
    current: watch::Receiver<Arc<ClientConfig>>,
}

/// Replaces how a peer is checked.
#[derive(Debug)]
pub struct ClientReloader {
    authority: Option<PathBuf>,
    identity: Option<Identity>,
    current: watch::Sender<Arc<ClientConfig>>,
}

impl Server {
    /// Loads a listener's files.
    ///
    /// # Errors
    /// The file that cannot be used.
    pub fn load(files: ServerFiles) -> Result<(Self, Reloader), CertificateError> {
        let (sender, current) = watch::channel(Arc::new(server_config(&files)?));
        Ok((Self { current }, Reloader { files, current: sender }))
    }

    /// Shakes hands; returns the names of the client's certificate too.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(tokio_rustls::server::TlsStream<TcpStream>, Vec<String>)> {
        let config = Arc::clone(&self.current.borrow());
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let names = shown.and_then(|leaf| described(leaf)).map_or(Vec::new(), |leaf| leaf.names);
        Ok((stream, names))
    }
}

impl Reloader {
    /// Loads the files again; the old ones hold if the new ones are wrong.
    ///
    /// # Errors
    /// The file that cannot be used.
    pub fn reload(&self) -> Result<Certificate, CertificateError> {
        let config = server_config(&self.files)?;
        self.current.send_replace(Arc::new(config));
        self.files.identity.describe()
    }

    /// Returns what is shown.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.files.identity
    }
}

impl Client {
    /// Loads who signs certificates of peers, the system's roots without a file, and what we show
    /// them if they ask.
    ///
    /// # Errors
    /// The file that cannot be used.
    pub fn load(
        authority: Option<&Path>,
        identity: Option<&Identity>,
    ) -> Result<Self, CertificateError> {
        let loaded = Self::reloadable(authority.map(Path::to_owned), identity.cloned());
        loaded.map(|(client, _)| client)
    }

    /// The same, with what loads it anew.
    ///
    /// # Errors
    /// The file that cannot be used.
    pub fn reloadable(
        authority: Option<PathBuf>,
        identity: Option<Identity>,
    ) -> Result<(Self, ClientReloader), CertificateError> {
        let config = client_config(authority.as_deref(), identity.as_ref())?;
        let (sender, current) = watch::channel(Arc::new(config));
        Ok((Self { current }, ClientReloader { authority, identity, current: sender }))
    }

    /// Shakes hands with a peer that must be who it is taken for.
    ///
    /// # Errors
    /// What failed, its certificate above all.
    pub async fn connect(
        &self,
        name: ServerName<'static>,
        stream: TcpStream,
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let config = Arc::clone(&self.current.borrow());
        TlsConnector::from(config).connect(name, stream).await
    }
}

impl ClientReloader {
    /// Loads the files again, the system's roots too; the old ones hold if the new ones are wrong.
    /// Returns what is shown, if anything is.
    ///
    /// # Errors
    /// The file that cannot be used.
    pub fn reload(&self) -> Result<Option<Certificate>, CertificateError> {
        let config = client_config(self.authority.as_deref(), self.identity.as_ref())?;
        self.current.send_replace(Arc::new(config));
        self.identity.as_ref().map(Identity::describe).transpose()
    }
}

impl Identity {
    /// Returns what the certificate says of itself.
    ///
    /// # Errors
    /// If the file holds none.
    pub fn describe(&self) -> Result<Certificate, CertificateError> {
        let chain = chain(&self.certificate)?;
        let leaf = chain.first().and_then(|leaf| described(leaf));
        leaf.ok_or_else(|| wrong(&self.certificate, "the first certificate cannot be read"))
    }

    fn load(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CertificateError> {
        let chain = chain(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key);
        let key = key.map_err(|error| wrong(&self.key, format!("no private key: {error}")))?;
        Ok((chain, key))
    }
}

/// Reads a name as it stands in a certificate: a host or an address.
///
/// # Errors
/// If it is neither.
pub fn server_name(name: &str) -> Result<ServerName<'static>, CertificateError> {
    let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
    ServerName::try_from(bare).map_err(|_| wrong("", format!("{name} is no name of a host")))
}

pub(crate) fn shown(name: &ServerName<'_>) -> String {
    name.to_str().into_owned()
}

fn client_config(
    authority: Option<&Path>,
    identity: Option<&Identity>,
) -> Result<ClientConfig, CertificateError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("", error))?
        .with_root_certificates(roots(authority)?);
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let (chain, key) = identity.load()?;
    let made = builder.with_client_auth_cert(chain, key);
    made.map_err(|error| wrong(&identity.certificate, error))
}

fn server_config(files: &ServerFiles) -> Result<ServerConfig, CertificateError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("", error))?;
    let builder = match files.clients {
        ClientCertificates::None => builder.with_no_client_auth(),
        ClientCertificates::Optional | ClientCertificates::Required => {
            let roots = Arc::new(roots(files.authority.as_deref())?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            let verifier = match files.clients {
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
                ClientCertificates::None | ClientCertificates::Required => verifier,
            };
            let file = files.authority.clone().unwrap_or_default();
            builder.with_client_cert_verifier(verifier.build().map_err(|e| wrong(&file, e))?)
        }
    };
    let (chain, key) = files.identity.load()?;
    let made = builder.with_single_cert(chain, key);
    made.map_err(|error| wrong(&files.identity.certificate, error))
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = read.map_err(|error| wrong(file, format!("no certificate: {error}")))?;
    if chain.is_empty() {
        return Err(wrong(file, "holds no certificate"));
    }
    Ok(chain)
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, CertificateError> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            for certificate in chain(file)? {
                roots.add(certificate).map_err(|error| wrong(file, error))?;
            }
        }
        None => {
            // Certificates that cannot be read are the system's affair.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

fn described(certificate: &CertificateDer<'_>) -> Option<Certificate> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    let alternative = read.subject_alternative_name().ok().flatten();
    let names = alternative
        .map_or(Vec::new(), |list| list.value.general_names.iter().filter_map(named).collect());
    let validity = read.validity();
    let (begins, expires) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    Some(Certificate { names, begins, expires })
}

fn named(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) | GeneralName::URI(name) = name {
        return Some((*name).to_owned());
    }
    let GeneralName::IPAddress(bytes) = name else { return None };
    let four = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
    let six = <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from);
    four.or(six).ok().map(|address| address.to_string())
}

fn wrong(file: impl AsRef<Path>, problem: impl fmt::Display) -> CertificateError {
    CertificateError { file: file.as_ref().to_owned(), problem: problem.to_string() }
}
