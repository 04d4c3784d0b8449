//! `[[number]]`: what can be dialled.

use model::record::{Refusals, ServiceNumber};
use model::{Did, E164, LocalNumber, MeetingId, NumberId, OrganizationId};

use super::check::{Names, Reading, no_range, range};
use super::meetings::MEMBER;
use super::shape::{self, Text};

/// Language of the built-in recordings.
const LANGUAGE: &str = "en-US";

impl Reading<'_> {
    /// Reads the numbers; the meetings must have been read.
    pub(super) fn numbers(&mut self, shapes: &[shape::Number]) -> Vec<ServiceNumber> {
        let mut names = Names::default();
        let mut numbers = Vec::new();
        for shape in shapes {
            let number_type = self.number_type("number.type", &shape.number_type);
            let country = self.country(&shape.country);
            let language = self.language(shape.language.as_ref());
            let refusals = self.refusals(shape.refusals.as_ref());
            let owner = shape.organization.as_ref();
            let dedicated_to =
                owner.map(|name| self.organization_named("number.organization", name));
            for (did, member) in self.dids(shape, &mut names) {
                let bound = shape.meeting.as_ref();
                let bound_to = bound.map(|name| self.meeting_for(name, &member, dedicated_to));
                if let (Some(number_type), Some(country), Some(language)) =
                    (number_type, &country, &language)
                {
                    numbers.push(ServiceNumber {
                        id: NumberId::from_name(&did.full()),
                        did,
                        number_type,
                        dedicated_to: dedicated_to.flatten(),
                        bound_to: bound_to.flatten(),
                        country: country.clone(),
                        language: language.clone(),
                        is_default: shape.default,
                        refusals,
                    });
                }
            }
        }
        numbers
    }

    /// Returns each number that a table declares, with the member of its range.
    fn dids(&mut self, shape: &shape::Number, names: &mut Names) -> Vec<(Did, String)> {
        let (at, members) = match (&shape.number, &shape.numbers) {
            (Some(one), None) => (one, vec![one.get_ref().clone()]),
            (None, Some(many)) => (many, self.range_of_locals(many, shape.local)),
            (Some(_), Some(many)) => {
                let message = "stands beside number; use one of them".to_owned();
                self.problem("number.numbers", many, message);
                return Vec::new();
            }
            (None, None) => {
                let message =
                    "this table has neither number nor numbers; one of them says what is dialled";
                self.problem("number.number", &shape.number_type, message.to_owned());
                return Vec::new();
            }
        };
        let mut dids = Vec::new();
        for member in members {
            let Some(did) = self.did(at, &member, shape.local) else {
                continue;
            };
            if self.only_once("number.number", at, &did.full(), names).is_some() {
                dids.push((did, member));
            }
        }
        dids
    }

    fn range_of_locals(&mut self, many: &Text, local: bool) -> Vec<String> {
        if !local {
            let message = "a range is for local numbers: add local = true".to_owned();
            self.problem("number.numbers", many, message);
            return Vec::new();
        }
        range(many.get_ref()).unwrap_or_else(|| {
            self.problem("number.numbers", many, no_range(many.get_ref()));
            Vec::new()
        })
    }

    fn did(&mut self, at: &Text, text: &str, local: bool) -> Option<Did> {
        let read = if local {
            let parsed = LocalNumber::parse(text).map(Did::Local);
            parsed.map_err(|_| "allowed are 1 to 32 letters, digits and + - . _ * #")
        } else {
            let parsed = text.parse::<E164>().map(Did::E164);
            parsed.map_err(|_| {
                "write +CCNNN… or tel:+CCNNN… (at most 15 digits), or add local = true for a \
                 string of your own"
            })
        };
        read.map_err(|allowed| {
            let message = format!("{text:?} is not a number; {allowed}");
            self.problem("number.number", at, message);
        })
        .ok()
    }

    fn country(&mut self, code: &Text) -> Option<String> {
        let text = code.get_ref();
        let good = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
        if !good {
            let message = format!(
                "{text:?} is not a country; write its two capital letters, like US (ISO 3166-1)"
            );
            self.problem("number.country", code, message);
        }
        good.then(|| text.clone())
    }

    fn refusals(&mut self, word: Option<&Text>) -> Refusals {
        match word.map(|word| (word, word.get_ref().as_str())) {
            None | Some((_, "code")) => Refusals::Code,
            Some((_, "early-media")) => Refusals::EarlyMedia,
            Some((text, other)) => {
                let message = format!(
                    "{other:?} is no way to refuse a caller; allowed are code (at once) and \
                     early-media (told why before the answer, then the code)"
                );
                self.problem("number.refusals", text, message);
                Refusals::Code
            }
        }
    }

    fn language(&mut self, tag: Option<&Text>) -> Option<String> {
        let Some(tag) = tag else {
            return Some(LANGUAGE.to_owned());
        };
        let text = tag.get_ref();
        let good = text.split_once('-').is_some_and(|(language, region)| {
            (2..=3).contains(&language.len())
                && language.bytes().all(|b| b.is_ascii_lowercase())
                && region.len() == 2
                && region.bytes().all(|b| b.is_ascii_uppercase())
        });
        if !good {
            let message = format!("{text:?} is not a language; write it like en-US");
            self.problem("number.language", tag, message);
        }
        good.then(|| text.clone())
    }

    /// Finds the meeting that calls to a number join. A dedicated number joins only meetings of its
    /// organization.
    fn meeting_for(
        &mut self,
        name: &Text,
        member: &str,
        dedicated_to: Option<Option<OrganizationId>>,
    ) -> Option<MeetingId> {
        let meant = name.get_ref().replace(MEMBER, member);
        let id = MeetingId::from_name(&meant);
        if !self.hosts.contains_key(&id) {
            let message = format!(
                "{meant:?} is no meeting; declare it with [[meeting]] in this file or apply it \
                 before"
            );
            self.problem("number.meeting", name, message);
            return None;
        }
        let payer = self.payer_of(id);
        if let (Some(Some(owner)), Some(payer)) = (dedicated_to, payer)
            && owner != payer
        {
            let message = format!(
                "{meant} belongs to another organization than the one the number is dedicated to"
            );
            self.problem("number.meeting", name, message);
            return None;
        }
        Some(id)
    }
}
