//! Who calls whom, read as the trunk's settings say.

use model::Vouched;
use model::record::{CalledFrom, Trunk};

use crate::message::header::{self, NameAddr};
use crate::message::uri::{Uri, unescape};
use crate::message::{Message, Name, Request};

/// Parameters of numbers that are kept with the call (RFC 4694, RFC 8224 and ISUP customs).
const KEPT: &[&str] = &["rn", "npdi", "cic", "isup-oli", "cpc", "verstat"];

/// What an INVITE says of its two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) called: String,
    pub(crate) caller: Option<String>,
    /// Who called, not to be shown.
    pub(crate) withheld: Option<String>,
    pub(crate) vouched: Vouched,
    pub(crate) parameters: Vec<(String, String)>,
}

impl Identity {
    /// Reads it; `None` if the dialled URI is malformed, or either hides a control character: 400.
    pub(crate) fn read(request: &Request<'_>, trunk: &Trunk) -> Option<Self> {
        let called = Uri::read(called_uri(request, trunk)?)?;
        // Who calls is good to know; a call does not fail for a name that cannot be read.
        let caller = caller_uri(request, trunk.trusted).and_then(Uri::read).unwrap_or(Uri::Other);
        let number = called.subscriber()?;
        let number = number.strip_prefix(trunk.strip_prefix.as_str()).unwrap_or(&number).to_owned();
        let name = caller.subscriber()?.into_owned();
        let nobody = name.is_empty() || caller.is_anonymous();
        let (shown, withheld) = match (nobody, is_hidden(request)) {
            (true, _) => (None, None),
            (false, true) => (None, Some(name)),
            (false, false) => (Some(name), None),
        };
        let mut parameters = Vec::new();
        for uri in [&called, &caller] {
            keep(uri, &mut parameters)?;
        }
        let vouched = vouched(request, trunk.trusted, &caller);
        Some(Self { called: number, caller: shown, withheld, vouched, parameters })
    }
}

/// Returns the URI of the dialled number. A call without the trunk's header was not diverted or not
/// rewritten: then the Request-URI holds the number.
fn called_uri<'a>(request: &Request<'a>, trunk: &Trunk) -> Option<&'a str> {
    let name = match trunk.called_from {
        CalledFrom::RequestUri => return Some(request.uri),
        CalledFrom::To => return Some(request.to.uri),
        CalledFrom::PCalledPartyId => Name::PCalledPartyId,
        // Only a trusted trunk says for whom a call was before it was diverted to us.
        CalledFrom::Diversion | CalledFrom::HistoryInfo if !trunk.trusted => {
            return Some(request.uri);
        }
        CalledFrom::Diversion => Name::Diversion,
        CalledFrom::HistoryInfo => Name::HistoryInfo,
    };
    match request.message.elements(name).next() {
        Some(element) => NameAddr::read(element).map(|address| address.uri),
        None => Some(request.uri),
    }
}

fn caller_uri<'a>(request: &Request<'a>, trusted: bool) -> Option<&'a str> {
    let asserted = request.message.elements(Name::PAssertedIdentity).next().filter(|_| trusted);
    match asserted {
        Some(element) => NameAddr::read(element).map(|address| address.uri),
        None => Some(request.from.uri),
    }
}

/// What is known of the caller's number. `verstat` is a parameter of the number, of its URI or of the
/// header around it.
fn vouched(request: &Request<'_>, trusted: bool, caller: &Uri<'_>) -> Vouched {
    let signed = request.message.first(Name::Identity).is_some();
    if !trusted {
        return Vouched::read(None, None, signed);
    }
    let is_verstat = |(name, _): &(&str, &str)| name.eq_ignore_ascii_case("verstat");
    let own = caller.parameters().find(is_verstat).map(|(_, value)| value);
    let around = || {
        let asserted = request.message.elements(Name::PAssertedIdentity).next();
        header::parameter(NameAddr::read(asserted?)?.parameters, "verstat")
    };
    let verstat = own.or_else(around);
    Vouched::read(verstat, request.message.first(Name::PAttestationIndicator), signed)
}

/// Whether the caller is not to be shown: by a Privacy header, by a From that names nobody beside an
/// asserted number (RFC 3323 §4.1), or by the parameter that older gear writes. To hide one who did
/// not ask for it costs nothing, to show one who did cannot be undone.
fn is_hidden(request: &Request<'_>) -> bool {
    let nameless = || Uri::read(request.from.uri).is_some_and(|from| from.is_anonymous());
    wants_privacy(request) || nameless() || older_privacy(request)
}

/// `privacy=` of Remote-Party-ID, from before RFC 3325; who it names is never believed.
fn older_privacy(request: &Request<'_>) -> bool {
    let parties = request.message.elements(Name::RemotePartyId).filter_map(NameAddr::read);
    let mut words = parties.filter_map(|party| header::parameter(party.parameters, "privacy"));
    words.any(|word| !word.eq_ignore_ascii_case("off"))
}

/// `id`, `user` or `header` hide the caller from us and everybody behind us (RFC 3323, RFC 3325).
fn wants_privacy(request: &Request<'_>) -> bool {
    let values = request.message.all(Name::Privacy).flat_map(|value| value.split([';', ',']));
    let mut values = values.map(str::trim);
    values.any(|value| ["id", "user", "header"].iter().any(|w| value.eq_ignore_ascii_case(w)))
}

fn keep(uri: &Uri<'_>, kept: &mut Vec<(String, String)>) -> Option<()> {
    for (name, value) in uri.parameters() {
        let Some(name) = KEPT.iter().find(|known| name.eq_ignore_ascii_case(known)) else {
            continue;
        };
        if !kept.iter().any(|(known, _)| known == name) {
            kept.push(((*name).to_owned(), unescape(value)?.into_owned()));
        }
    }
    Some(())
}

/// Returns the first Contact's URI, if it is one that we can send to (RFC 3261 §8.1.1.8).
pub(crate) fn contact<'a>(request: &Request<'a>) -> Option<&'a str> {
    contact_of(request.message)
}

/// Returns the first Contact's URI of any message, if it is one that we can send to.
pub(crate) fn contact_of<'a>(message: &'a Message<'_>) -> Option<&'a str> {
    let uri = NameAddr::read(message.elements(Name::Contact).next()?)?.uri;
    match Uri::read(uri)? {
        Uri::Sip { .. } => Some(uri),
        Uri::Tel { .. } | Uri::Other => None,
    }
}

/// Whether a list of option tags or methods names one.
pub(crate) fn lists(request: &Request<'_>, name: Name, wanted: &str) -> bool {
    let mut listed = request.message.all(name).flat_map(header::elements);
    listed.any(|item| item.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use crate::trunk::tests::trunk;

    #[test]
    fn the_trunk_says_which_header_holds_the_dialled_number() {
        let extra = "P-Called-Party-ID: <tel:+1-222>\r\nDiversion: <sip:333@h>;reason=x, <sip:4@h>\r\n\
            History-Info: <sip:555@h?Reason=x>;index=1, <sip:6@h>;index=1.1\r\n";
        let cases = [
            (CalledFrom::RequestUri, "111"),
            (CalledFrom::To, "000"),
            (CalledFrom::PCalledPartyId, "+1222"),
            (CalledFrom::Diversion, "333"),
            (CalledFrom::HistoryInfo, "555"),
        ];
        for (called_from, called) in cases {
            let trunk = Trunk { called_from, trusted: true, ..trunk("a", "192.0.2.0/24") };
            assert_eq!(read(extra, &trunk).unwrap().called, called);
        }
        let diverted = Trunk { called_from: CalledFrom::Diversion, ..trunk("a", "192.0.2.0/24") };
        assert_eq!(read("", &diverted).unwrap().called, "111");
        assert_eq!(read(extra, &diverted).unwrap().called, "111", "it is not to be believed");
    }

    #[test]
    fn only_a_trusted_trunk_asserts_an_identity() {
        let extra = "P-Asserted-Identity: \"A\" <sip:+1999;cpc=payphone@h>\r\n";
        let stranger = trunk("a", "192.0.2.0/24");
        assert_eq!(read(extra, &stranger).unwrap().caller.as_deref(), Some("from"));
        let trusted = Trunk { trusted: true, ..stranger };
        let identity = read(extra, &trusted).unwrap();
        assert_eq!(identity.caller.as_deref(), Some("+1999"));
        assert_eq!(identity.parameters, [("cpc".to_owned(), "payphone".to_owned())]);
    }

    #[test]
    fn privacy_hides_the_caller() {
        let trusted = Trunk { trusted: true, ..trunk("a", "192.0.2.0/24") };
        let extra = "P-Asserted-Identity: <sip:+1999@h>\r\nPrivacy: id;critical\r\n";
        let hidden = read(extra, &trusted).unwrap();
        assert_eq!((hidden.caller, hidden.withheld.as_deref()), (None, Some("+1999")));
        let stranger = Trunk { trusted: false, ..trusted.clone() };
        let hidden = read(extra, &stranger).unwrap();
        assert_eq!((hidden.caller, hidden.withheld.as_deref()), (None, Some("from")));
        assert!(read("Privacy: none\r\n", &trusted).unwrap().caller.is_some());
    }

    #[test]
    fn a_nameless_from_and_older_gear_hide_the_asserted_number_too() {
        let trusted = Trunk { trusted: true, ..trunk("a", "192.0.2.0/24") };
        let stranger = Trunk { trusted: false, ..trusted.clone() };
        let asserted = "P-Asserted-Identity: <sip:+1999@h>\r\n";
        let nameless = |trunk| read_from("<sip:anonymous@anonymous.invalid>", asserted, trunk);
        let hidden = nameless(&trusted).unwrap();
        assert_eq!((hidden.caller, hidden.withheld.as_deref()), (None, Some("+1999")));
        let unknown = nameless(&stranger).unwrap();
        assert_eq!((unknown.caller, unknown.withheld), (None, None), "nothing of it is believed");
        for (word, withheld) in [("full", true), ("\"name\"", true), ("off", false)] {
            let extra = format!("Remote-Party-ID: \"A\" <sip:+1997@h>;privacy={word}\r\n");
            let read = read(&extra, &stranger).unwrap();
            assert_eq!(read.withheld.as_deref(), withheld.then_some("from"), "{word}");
        }
    }

    #[test]
    fn what_was_verified_is_believed_of_a_trusted_trunk_alone() {
        let stranger = trunk("a", "192.0.2.0/24");
        let trusted = Trunk { trusted: true, ..stranger.clone() };
        let vouched = |extra: &str, trunk| read(extra, trunk).unwrap().vouched;
        let within = "P-Asserted-Identity: <tel:+1999;verstat=TN-Validation-Passed-B>\r\n";
        assert_eq!(vouched(within, &trusted), Vouched::Partial);
        assert_eq!(vouched(within, &stranger), Vouched::Nothing);
        let around = "P-Asserted-Identity: <sip:+1999@h>;verstat=TN-Validation-Passed\r\n\
            P-Attestation-Indicator: A\r\nIdentity: eyJ;info=<https://x>\r\n";
        assert_eq!(vouched(around, &trusted), Vouched::Full);
        assert_eq!(vouched(around, &stranger), Vouched::Signed);
        assert_eq!(vouched("y: eyJ\r\n", &trusted), Vouched::Signed);
        assert_eq!(vouched("", &trusted), Vouched::Nothing);
    }

    #[test]
    fn headers_that_a_carrier_made_up_change_nothing() {
        let plain = read("", &trunk("a", "192.0.2.0/24"));
        let extra = "X-Caller: +1999\r\nX-P-Asserted-Identity : <sip:+1999@h>\r\n\
            P-Asserted-Identity : <sip:+1998@h>\r\nRemote-Party-ID: <sip:+1997@h>\r\n";
        assert_eq!(read(extra, &trunk("a", "192.0.2.0/24")), plain);
    }

    #[test]
    fn a_prefix_is_stripped_where_it_stands() {
        let stripping = Trunk { strip_prefix: "11".to_owned(), ..trunk("a", "192.0.2.0/24") };
        assert_eq!(read("", &stripping).unwrap().called, "1");
    }

    #[test]
    fn an_unreadable_caller_is_nobody_and_a_hidden_line_end_is_refused() {
        let trusted = Trunk { trusted: true, ..trunk("a", "192.0.2.0/24") };
        let asserted = |uri: &str| read(&format!("P-Asserted-Identity: <{uri}>\r\n"), &trusted);
        assert_eq!(asserted("sip:a@b@c").unwrap().caller, None);
        assert_eq!(asserted("sip:a%0d%0aX@h"), None);
        assert_eq!(asserted("sip:1;cpc=%00@h"), None);
    }

    fn read(extra: &str, trunk: &Trunk) -> Option<Identity> {
        read_from("<sip:from@h>", extra, trunk)
    }

    fn read_from(from: &str, extra: &str, trunk: &Trunk) -> Option<Identity> {
        let text = format!(
            "INVITE sip:111@h SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: {from};tag=1\r\n\
             t: <sip:000@h>\r\ni: 1\r\nCSeq: 1 INVITE\r\n{extra}\r\n"
        );
        let message = Message::lex(text.as_bytes()).unwrap();
        Identity::read(&Request::read(&message).unwrap(), trunk)
    }
}
