//! Meters of connections that carry SIP, and of certificates.

use std::net::SocketAddr;

use metrics::Counter;

use super::Telemetry;

impl Telemetry {
    /// Returns the meters of streams and certificates.
    pub(crate) fn tls(&self) -> TlsMeters {
        let bytes = |direction| {
            let help = "Bytes of SIP on TCP and TLS connections.";
            let labels = [("direction", direction)];
            self.counter("tollgate_sip_stream_bytes_total", help, &labels)
        };
        TlsMeters { telemetry: self.clone(), received: bytes("in"), sent: bytes("out") }
    }
}

/// Meters of streams and of what TLS shows.
#[derive(Clone)]
pub(crate) struct TlsMeters {
    telemetry: Telemetry,
    received: Counter,
    sent: Counter,
}

impl TlsMeters {
    pub(crate) fn received(&self, bytes: usize) {
        self.received.increment(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.increment(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Shows until when a listener's certificate holds, seconds since 1970.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    pub(crate) fn shown(&self, listener: SocketAddr, expires: i64) {
        let listener = listener.to_string();
        let help = "When the certificate of a listener expires, seconds since 1970.";
        let labels = [("listener", listener.as_str())];
        let name = "tollgate_sip_certificate_expiry_timestamp_seconds";
        self.telemetry.gauge(name, help, &labels).set(expires as f64);
    }
}
