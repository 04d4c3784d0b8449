//! REGISTER of a trunk that registers with us (RFC 3261 §10.3). All of it is taken, or nothing.

use std::time::Duration;

use model::{Registrar, TrunkId};

use crate::endpoint::Endpoint;
use crate::message::uri::Uri;
use crate::message::wire::{Lines, Value};
use crate::message::{Name, Request, header};
use crate::receive::Arrival;
use crate::session::invite::Refused;
use crate::trunk::binding::{Binding, CONTACTS};
use crate::trunk::redirect;

/// Longest contact URI taken, bytes.
const CONTACT_BYTES: usize = 255;
/// Expiry of whom asks for none that can be read, seconds (RFC 3261 §10.2.1.1).
const USUAL_SECS: u32 = 3_600;

/// What a REGISTER asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wish<'a> {
    /// To forget everything: `*`.
    Nothing,
    /// To set these, or to forget those whose expiry is 0. With none of them, only to be told.
    Contacts(Vec<Asked<'a>>),
}

/// One contact of it.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    uri: &'a str,
    expiry_secs: u32,
    quality: u32,
}

impl Endpoint {
    /// Takes a REGISTER.
    pub(crate) fn on_register(&mut self, arrival: &Arrival<'_>) {
        if self.draining || self.is_full() {
            let later = self.later();
            return self.deny(arrival, 503, &later);
        }
        match self.register_trunk(arrival) {
            Ok(list) => {
                let mut lines = Lines::new();
                for binding in &list {
                    let (uri, left) = (&binding.contact, binding.left(arrival.now));
                    lines.push("Contact", &Value::shown(format_args!("<{uri}>;expires={left}")));
                }
                self.bind(arrival.trunk(), list, 200);
                let tag = self.chance.tag();
                self.serve(arrival, &tag, 200, &lines);
            }
            Err((status, extra)) => self.deny(arrival, status, &extra),
        }
    }

    /// Returns the contacts that the trunk has afterwards.
    fn register_trunk(&mut self, arrival: &Arrival<'_>) -> Result<Vec<Binding>, Refused> {
        let (request, now) = (&arrival.request, arrival.now);
        let denied = || (403, Lines::new());
        let trunk = self.trunks.active(arrival.trunk()).cloned().ok_or_else(denied)?;
        let own = trunk.registers.as_ref().ok_or_else(denied)?;
        self.authenticate(request, (&trunk, &own.credentials), now)?;
        let whom = Uri::read(request.to.uri).and_then(|to| Some(to.subscriber()?.into_owned()));
        if whom.as_ref() != Some(&own.credentials.user) {
            // RFC 3261 §10.3, step 5.
            return Err((404, Lines::new()));
        }
        let wish = Wish::read(request, own)?;
        self.granted(arrival, trunk.id, own, &wish)
    }

    fn granted(
        &self,
        arrival: &Arrival<'_>,
        trunk: TrunkId,
        own: &Registrar,
        wish: &Wish<'_>,
    ) -> Result<Vec<Binding>, Refused> {
        let Arrival { request, flow, now, .. } = arrival;
        let mut list = self.bound(trunk).to_vec();
        let late = |binding: &Binding| {
            *binding.call_id == *request.call_id && binding.cseq >= request.cseq
        };
        // An older one that came late changes nothing (RFC 3261 §10.3, steps 6 and 7).
        let aborted = || Err((500, Lines::new()));
        let asked = match wish {
            Wish::Nothing if list.iter().any(late) => return aborted(),
            Wish::Nothing => return Ok(Vec::new()),
            Wish::Contacts(asked) => asked,
        };
        for one in asked {
            let same = |binding: &Binding| binding.contact.eq_ignore_ascii_case(one.uri);
            if list.iter().any(|binding| same(binding) && late(binding)) {
                return aborted();
            }
            list.retain(|binding| !same(binding));
            if one.expiry_secs == 0 {
                continue;
            }
            let secs = one.expiry_secs.min(own.expiry_max_secs);
            let binding = Binding {
                contact: one.uri.into(),
                call_id: request.call_id.into(),
                cseq: request.cseq,
                quality: one.quality,
                flow: *flow,
                until: *now + Duration::from_secs(u64::from(secs)),
            };
            list.insert(0, binding);
        }
        if list.len() > CONTACTS {
            return Err((403, Lines::new()));
        }
        Ok(list)
    }
}

impl<'a> Wish<'a> {
    fn read(request: &Request<'a>, own: &Registrar) -> Result<Self, Refused> {
        let message = request.message;
        let bad = || (400, Lines::new());
        let usual = message.first(Name::Expires).map(expiry);
        let elements: Vec<_> = message.elements(Name::Contact).collect();
        if elements.contains(&"*") {
            let alone = elements.len() == 1 && usual == Some(0);
            return if alone { Ok(Self::Nothing) } else { Err(bad()) };
        }
        let mut asked = Vec::new();
        for element in elements.into_iter().take(CONTACTS + 1) {
            let contact = header::NameAddr::read(element).ok_or_else(bad)?;
            if !is_contact(contact.uri) {
                return Err(bad());
            }
            let own_expiry = header::parameter(contact.parameters, "expires").map(expiry);
            let expiry_secs = own_expiry.or(usual).unwrap_or(USUAL_SECS);
            if (1..own.expiry_min_secs).contains(&expiry_secs) {
                let least = Value::shown(own.expiry_min_secs);
                return Err((423, Lines::new().with("Min-Expires", &least)));
            }
            let quality = redirect::quality(contact.parameters);
            asked.push(Asked { uri: contact.uri, expiry_secs, quality });
        }
        Ok(Self::Contacts(asked))
    }
}

/// Reads an expiry; what cannot be read is as if it said an hour (RFC 3261 §10.2.1.1).
fn expiry(text: &str) -> u32 {
    header::decimal(text.trim()).unwrap_or(USUAL_SECS)
}

/// Whether calls can be sent to it: it becomes their Request-URI.
fn is_contact(uri: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"<>\"?".contains(&byte);
    let served = matches!(Uri::read(uri), Some(Uri::Sip { .. }));
    served && uri.len() <= CONTACT_BYTES && uri.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use model::{Credentials, Secret};

    use super::*;
    use crate::message::Message;

    fn registrar() -> Registrar {
        let password = Secret::new("p".to_owned());
        let credentials = Credentials { realm: "r".to_owned(), user: "u".to_owned(), password };
        Registrar { credentials, expiry_min_secs: 60, expiry_max_secs: 600 }
    }

    /// URI, expiry and preference of a contact.
    type Told = (String, u32, u32);

    /// Tells what a REGISTER with these fields asks for; `None` is the star.
    fn asked(fields: &str) -> Result<Option<Vec<Told>>, u16> {
        let text = format!(
            "REGISTER sip:r SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: <sip:u@r>;tag=1\r\n\
             t: <sip:u@r>\r\ni: 1\r\nCSeq: 1 REGISTER\r\n{fields}\r\n"
        );
        let message = Message::lex(text.as_bytes()).unwrap();
        let request = Request::read(&message).unwrap();
        match Wish::read(&request, &registrar()).map_err(|(status, _)| status)? {
            Wish::Nothing => Ok(None),
            Wish::Contacts(list) => {
                let told = |one: Asked<'_>| (one.uri.to_owned(), one.expiry_secs, one.quality);
                Ok(Some(list.into_iter().map(told).collect()))
            }
        }
    }

    #[test]
    fn a_contacts_own_expiry_stands_before_that_of_the_request() {
        let list = asked("Expires: 300\r\nm: <sip:a@h>;expires=90;q=0.5, sip:b@h\r\n").unwrap();
        let expected = [("sip:a@h".to_owned(), 90, 500), ("sip:b@h".to_owned(), 300, 1_000)];
        assert_eq!(list.unwrap(), expected);
        let list = asked("m: <sip:a@h>;expires=soon\r\n").unwrap().unwrap();
        assert_eq!(list[0].1, 3_600);
        assert_eq!(asked(""), Ok(Some(Vec::new())));
    }

    #[test]
    fn the_star_stands_alone_and_with_an_expiry_of_nothing() {
        assert_eq!(asked("m: *\r\nExpires: 0\r\n"), Ok(None));
        for fields in ["m: *\r\n", "m: *\r\nExpires: 9\r\n", "m: *, <sip:a@h>\r\nExpires: 0\r\n"] {
            assert_eq!(asked(fields), Err(400), "{fields}");
        }
    }

    #[test]
    fn an_expiry_that_is_too_short_is_refused_and_nothing_is_none() {
        assert_eq!(asked("m: <sip:a@h>;expires=59\r\n"), Err(423));
        assert!(asked("m: <sip:a@h>;expires=0\r\n").is_ok());
    }

    #[test]
    fn a_contact_is_an_address_that_a_request_can_bear() {
        let long = format!("<sip:{}@h>", "a".repeat(CONTACT_BYTES));
        for contact in
            ["<tel:+1>", "<sip:a b@h>", "<sip:a@h?X=y>", "<http://h>", "junk junk", &long]
        {
            assert_eq!(asked(&format!("m: {contact}\r\n")), Err(400), "{contact}");
        }
    }
}
