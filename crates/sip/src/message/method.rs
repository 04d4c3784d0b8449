//! Method names (RFC 3261 §7.1).

/// What we do with a method. `Unsupported` is known to rsip's registry of methods, not served here
/// (405); `Unknown` is known to nobody (501).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Update,
    Info,
    Unsupported(rsip::Method),
    Unknown,
}

/// What `Allow` tells.
pub(crate) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO";

impl Method {
    /// PRACK (RFC 3262).
    pub(crate) const PRACK: Self = Self::Unsupported(rsip::Method::PRack);
    /// REGISTER: ours, and that of trunks which register with us.
    pub(crate) const REGISTER: Self = Self::Unsupported(rsip::Method::Register);

    /// Reads a token; method names are case-sensitive.
    pub(crate) fn read(token: &str) -> Self {
        match token {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "BYE" => Self::Bye,
            "CANCEL" => Self::Cancel,
            "OPTIONS" => Self::Options,
            "UPDATE" => Self::Update,
            "INFO" => Self::Info,
            other => match other.parse::<rsip::Method>() {
                // rsip compares without case.
                Ok(known) if known.to_string() == other => Self::Unsupported(known),
                Ok(_) | Err(_) => Self::Unknown,
            },
        }
    }

    /// Returns the name, `OTHER` where we know none.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Update => "UPDATE",
            Self::Info => "INFO",
            Self::Unsupported(other) => unsupported_name(other),
            Self::Unknown => "OTHER",
        }
    }
}

const fn unsupported_name(method: rsip::Method) -> &'static str {
    match method {
        rsip::Method::Message => "MESSAGE",
        rsip::Method::Notify => "NOTIFY",
        rsip::Method::PRack => "PRACK",
        rsip::Method::Publish => "PUBLISH",
        rsip::Method::Refer => "REFER",
        rsip::Method::Register => "REGISTER",
        rsip::Method::Subscribe => "SUBSCRIBE",
        rsip::Method::Ack
        | rsip::Method::Bye
        | rsip::Method::Cancel
        | rsip::Method::Info
        | rsip::Method::Invite
        | rsip::Method::Options
        | rsip::Method::Update => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_served_known_or_unknown() {
        assert_eq!(Method::read("INVITE"), Method::Invite);
        assert_eq!(Method::read("REGISTER"), Method::Unsupported(rsip::Method::Register));
        assert_eq!(Method::read("PRACK").name(), "PRACK");
        assert_eq!(Method::read("NEWMETHOD"), Method::Unknown);
    }

    #[test]
    fn method_names_are_case_sensitive() {
        assert_eq!(Method::read("invite"), Method::Unknown);
        assert_eq!(Method::read("Register"), Method::Unknown);
    }
}
