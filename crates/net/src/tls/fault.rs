//! Why two ends do not trust each other, as far as the library says.

use std::io;

use tokio_rustls::rustls::{AlertDescription as Alert, CertificateError as Wrong, Error};

/// Why a handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The peer's certificate is for another name.
    Name,
    /// The peer's certificate has expired.
    Expired,
    /// The peer's certificate does not hold yet.
    Early,
    /// Nobody whom we trust has signed the peer's certificate.
    Authority,
    /// The peer does not take our certificate, or wants one and gets none.
    Ours,
    /// No version or cipher is common.
    Version,
    /// Something else.
    Other,
}

/// Alerts by which a peer turns our certificate away.
const OF_OURS: [Alert; 9] = [
    Alert::CertificateRequired,
    Alert::NoCertificate,
    Alert::BadCertificate,
    Alert::UnsupportedCertificate,
    Alert::CertificateRevoked,
    Alert::CertificateExpired,
    Alert::CertificateUnknown,
    Alert::UnknownCA,
    Alert::AccessDenied,
];

/// Alerts by which a peer says that nothing safe is common.
const OF_VERSION: [Alert; 3] =
    [Alert::ProtocolVersion, Alert::HandshakeFailure, Alert::InsufficientSecurity];

impl Fault {
    /// Reads why a stream could not be opened, or was ended; `None` if TLS has no part in that. A
    /// peer that does not take our certificate says so when the stream seems to be open already
    /// (RFC 8446 §4.4.2.4).
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        if let Error::InvalidCertificate(wrong) = error {
            return Some(Self::of_certificate(wrong));
        }
        if let Error::AlertReceived(alert) = error {
            return Some(Self::of_alert(*alert));
        }
        let incompatible = matches!(error, Error::PeerIncompatible(_));
        Some(if incompatible { Self::Version } else { Self::Other })
    }

    fn of_certificate(wrong: &Wrong) -> Self {
        let is = [
            (
                matches!(wrong, Wrong::NotValidForName | Wrong::NotValidForNameContext { .. }),
                Self::Name,
            ),
            (matches!(wrong, Wrong::Expired | Wrong::ExpiredContext { .. }), Self::Expired),
            (matches!(wrong, Wrong::NotValidYet | Wrong::NotValidYetContext { .. }), Self::Early),
            (matches!(wrong, Wrong::UnknownIssuer | Wrong::BadSignature), Self::Authority),
        ];
        is.into_iter().find(|(holds, _)| *holds).map_or(Self::Other, |(_, fault)| fault)
    }

    fn of_alert(alert: Alert) -> Self {
        if OF_OURS.contains(&alert) {
            return Self::Ours;
        }
        if OF_VERSION.contains(&alert) { Self::Version } else { Self::Other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_says_is_told_by_its_cause() {
        let fault = |error: Error| Fault::of(&io::Error::other(error));
        let certificate = |wrong| fault(Error::InvalidCertificate(wrong));
        assert_eq!(certificate(Wrong::NotValidForName), Some(Fault::Name));
        assert_eq!(certificate(Wrong::Expired), Some(Fault::Expired));
        assert_eq!(certificate(Wrong::NotValidYet), Some(Fault::Early));
        assert_eq!(certificate(Wrong::UnknownIssuer), Some(Fault::Authority));
        assert_eq!(certificate(Wrong::BadEncoding), Some(Fault::Other));
        assert_eq!(fault(Error::AlertReceived(Alert::UnknownCA)), Some(Fault::Ours));
        assert_eq!(fault(Error::AlertReceived(Alert::ProtocolVersion)), Some(Fault::Version));
        assert_eq!(fault(Error::DecryptError), Some(Fault::Other));
        assert_eq!(Fault::of(&io::ErrorKind::ConnectionReset.into()), None);
    }
}
