//! SIP sockets: where, how messages travel there, and what TLS shows; what TLS asks of trunks.

use std::net::SocketAddr;
use std::path::PathBuf;

use model::Transport;
use net::tls::{ClientCertificates, Identity, ServerFiles};

use super::check::Checker;
use super::{Listener, TrunkTls, file};

/// The words of `transport`.
const TRANSPORTS: [(&str, Transport); 3] =
    [("udp", Transport::Udp), ("tcp", Transport::Tcp), ("tls", Transport::Tls)];
/// The words of `client_certificates`.
const CLIENTS: [(&str, ClientCertificates); 3] = [
    ("none", ClientCertificates::None),
    ("optional", ClientCertificates::Optional),
    ("required", ClientCertificates::Required),
];

/// Checks every listener. `None` only if an error was noted.
pub(super) fn listeners(
    checker: &mut Checker<'_>,
    written: &[file::Listener],
) -> Option<Vec<Listener>> {
    if written.is_empty() || written.len() > 16 {
        checker.bad("listener", "1 to 16 [[listener]] tables are allowed");
        return None;
    }
    let mut all = Vec::new();
    for (at, one) in written.iter().enumerate() {
        let key = format!("listener[{at}]");
        if written[..at].iter().any(|l| l.name.is_some() && l.name == one.name) {
            checker.bad(&format!("{key}.name"), "is there twice; names of listeners are unique");
        }
        all.extend(listener(checker, &key, one));
    }
    Some(all)
}

fn listener(checker: &mut Checker<'_>, key: &str, written: &file::Listener) -> Option<Listener> {
    let bind: Option<SocketAddr> = checker.address(&format!("{key}.bind"), &written.bind);
    let told = written.advertised.as_deref();
    let told: Option<Option<SocketAddr>> =
        told.map(|text| checker.address(&format!("{key}.advertised"), text));
    let (bind, advertised) = (bind?, told.unwrap_or(bind)?);
    let place = format!("{key}.advertised");
    checker.advertisable(&place, bind.ip(), advertised.ip());
    if bind.is_ipv4() != advertised.is_ipv4() {
        checker.bad(&place, "an address of the same family as bind is allowed");
    }
    let transport = word(checker, &format!("{key}.transport"), &written.transport, &TRANSPORTS)?;
    let tls = match transport {
        Transport::Tls => Some(server(checker, key, written)?),
        Transport::Udp | Transport::Tcp => {
            let given = written.certificate.is_some() || written.key.is_some();
            if given || written.client_authority.is_some() {
                checker.bad(&format!("{key}.transport"), "certificates are for \"tls\" only");
            }
            None
        }
    };
    Some(Listener { bind, advertised, transport, tls, keep_alive: written.keep_alive })
}

fn server(checker: &mut Checker<'_>, key: &str, written: &file::Listener) -> Option<ServerFiles> {
    let (Some(certificate), Some(own)) = (&written.certificate, &written.key) else {
        checker.bad(&format!("{key}.certificate"), "TLS needs a certificate and its key");
        return None;
    };
    let place = format!("{key}.client_certificates");
    Some(ServerFiles {
        identity: Identity { certificate: certificate.into(), key: own.into() },
        authority: written.client_authority.as_ref().map(PathBuf::from),
        clients: word(checker, &place, &written.client_certificates, &CLIENTS)?,
    })
}

/// Checks what TLS means for a trunk.
pub(super) fn trunk(checker: &mut Checker<'_>, key: &str, written: &file::TrunkTls) -> TrunkTls {
    if let Some(peer) = &written.peer
        && net::tls::server_name(peer).is_err()
    {
        checker.bad(&format!("{key}.tls.peer"), "the name of a host, or an address, is allowed");
    }
    let identity = match (&written.certificate, &written.key) {
        (Some(certificate), Some(own)) => {
            Some(Identity { certificate: certificate.into(), key: own.into() })
        }
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            checker.bad(&format!("{key}.tls.certificate"), "a certificate and its key go together");
            None
        }
    };
    TrunkTls { authority: written.authority.as_ref().map(PathBuf::from), identity }
}

fn word<T: Copy>(
    checker: &mut Checker<'_>,
    key: &str,
    written: &str,
    words: &[(&str, T)],
) -> Option<T> {
    let known = words.iter().find(|(name, _)| *name == written);
    if known.is_none() {
        let words: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        checker.bad(key, format!("{} are allowed", words.join(", ")));
    }
    known.map(|(_, value)| *value)
}
