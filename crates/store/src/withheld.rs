//! Numbers that their owners withhold: sealed before a store sees them (reliability.md S25).
//!
//! AES-256-GCM with a nonce that is a MAC of the call and of what is sealed, under a key of its own:
//! no two texts of a call share one, and what is sealed again, because a request is repeated, is the
//! same. What is sealed for one call does not open for another.

#[cfg(test)]
mod files;

use std::fmt;

use aes_gcm::{AeadInOut, Aes256Gcm};
use credits::{Command, OpenLeg};
use hmac::{Hmac, KeyInit, Mac};
use model::record::{Cdr, Withheld};
use model::{CallId, Did};
use sha2::Sha256;

/// Bytes of a secret.
const SECRET: usize = 32;
/// Bytes of a nonce and of a tag.
const NONCE: usize = 12;
const TAG: usize = 16;
/// Every number is as long as the longest, so that its length tells nothing.
const NUMBER: usize = 32;
/// How much of a number's end stands for it: carriers write it with and without its first digits.
const END: usize = 7;
/// How the record of a dialog begins that is sealed; none of `sip`'s does.
const SEALED: &str = "sealed ";

/// The operator's keys for withheld numbers; the first one seals, all of them open. Without any such
/// numbers are not kept.
#[derive(Clone, Default)]
pub struct Keys(Vec<Key>);

/// What is wrong with a list of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is no key: 64 hexadecimal digits are one, as `openssl rand -hex 32` writes them")]
pub struct KeyError(usize);

/// Why a withheld number cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// There was no key when it came.
    #[error("not kept")]
    NotKept,
    /// Its key is not among ours.
    #[error("sealed by key {0}, which is not configured here")]
    NoSuchKey(String),
    /// What is stored is not what was sealed.
    #[error("sealed by key {0}, and damaged")]
    Damaged(String),
}

#[derive(Clone)]
struct Key {
    name: String,
    aead: Aes256Gcm,
    nonces: Hmac<Sha256>,
}

/// What is sealed; part of what is authenticated.
#[derive(Clone, Copy)]
enum Purpose {
    Number = 1,
    Dialog = 2,
}

impl Keys {
    /// Reads a key a line, 64 hexadecimal digits each, the one that seals first. Empty lines, and
    /// those that begin with `#`, are passed over.
    ///
    /// # Errors
    /// [`KeyError`] names the first line that is none of these.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let secret = bytes(line).and_then(|bytes| <[u8; SECRET]>::try_from(bytes).ok());
            keys.push(Key::new(&secret.ok_or(KeyError(number))?));
        }
        Ok(Self(keys))
    }

    /// Whether withheld numbers are not kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Seals every withheld number in a batch, and with it what names it in the record of a dialog.
    /// Without a key they are taken out.
    pub fn seal(&self, batch: &mut [Command]) {
        for command in batch {
            match command {
                Command::Open { leg } | Command::Place { leg, .. } | Command::Answered { leg } => {
                    self.seal_leg(leg);
                }
                Command::Close { cdr, .. } | Command::Release { cdr } => self.seal_record(cdr),
                Command::Roll { .. } | Command::TopUp { .. } | Command::Inquire { .. } => {}
            }
        }
    }

    /// Opens a call's withheld number, for the billing view.
    ///
    /// # Errors
    /// [`Unopened`] says why it cannot be shown.
    pub fn open(&self, call: CallId, number: &Withheld) -> Result<Did, Unopened> {
        match number {
            Withheld::Plain(number) => Ok(number.clone()),
            Withheld::NotKept => Err(Unopened::NotKept),
            Withheld::Sealed { key: name, text } => {
                let key = self.key(name).ok_or_else(|| Unopened::NoSuchKey(name.clone()))?;
                let number = key.open(Purpose::Number, call, text);
                let number = number.and_then(|number| number.trim_end().parse().ok());
                number.ok_or_else(|| Unopened::Damaged(name.clone()))
            }
        }
    }

    /// Opens the record of a call's dialog, if it is sealed; empty if it cannot be opened.
    #[must_use]
    pub fn dialog(&self, call: CallId, stored: &str) -> String {
        let Some(sealed) = stored.strip_prefix(SEALED) else { return stored.to_owned() };
        let opened = sealed.split_once(' ').and_then(|(name, text)| {
            let key = self.key(name)?;
            key.open(Purpose::Dialog, call, text)
        });
        opened.unwrap_or_default()
    }

    fn key(&self, name: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.name == name)
    }

    fn seal_record(&self, cdr: &mut Cdr) {
        let Some(Withheld::Plain(number)) = &cdr.withheld else { return };
        cdr.withheld = Some(match self.0.first() {
            None => Withheld::NotKept,
            Some(key) => {
                let text = format!("{:NUMBER$}", number.full());
                let text = key.seal(Purpose::Number, cdr.call, &text);
                Withheld::Sealed { key: key.name.clone(), text }
            }
        });
    }

    /// A dialog's record holds the caller as they wrote themselves: To of our BYE, its target.
    fn seal_leg(&self, leg: &mut OpenLeg) {
        let Some(Withheld::Plain(number)) = &leg.cdr.withheld else { return };
        if names(&leg.dialog, number) {
            leg.dialog = self.0.first().map_or_else(String::new, |key| {
                format!("{SEALED}{} {}", key.name, key.seal(Purpose::Dialog, leg.call, &leg.dialog))
            });
        }
        self.seal_record(&mut leg.cdr);
    }
}

/// Only how many keys there are.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

impl Key {
    /// Makes a key for each use from the operator's secret, and its name.
    fn new(secret: &[u8; SECRET]) -> Self {
        let derived = |what: &[u8]| mac(secret).chain_update(what).finalize().into_bytes();
        let aead = Aes256Gcm::new(&derived(b"withheld numbers: sealing"));
        let nonces = mac(&derived(b"withheld numbers: nonces"));
        let name = digits(&derived(b"withheld numbers: name")[..4]);
        Self { name, aead, nonces }
    }

    /// Returns nonce, text and tag in hexadecimal digits.
    fn seal(&self, purpose: Purpose, call: CallId, text: &str) -> String {
        let about = about(purpose, call);
        let nonce = self.nonces.clone().chain_update(about).chain_update(text).finalize();
        let nonce: [u8; NONCE] = std::array::from_fn(|at| nonce.as_bytes()[at]);
        let mut body = text.as_bytes().to_vec();
        let tag =
            self.aead.encrypt_inout_detached(&nonce.into(), &about, body.as_mut_slice().into());
        let tag = tag.expect("a record is short enough");
        format!("{}{}{}", digits(&nonce), digits(&body), digits(&tag))
    }

    fn open(&self, purpose: Purpose, call: CallId, sealed: &str) -> Option<String> {
        let mut sealed = bytes(sealed)?;
        let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE>()?;
        let (body, tag) = rest.split_last_chunk_mut::<TAG>()?;
        let about = about(purpose, call);
        let (nonce, tag) = ((*nonce).into(), (*tag).into());
        self.aead.decrypt_inout_detached(&nonce, &about, (&mut *body).into(), &tag).ok()?;
        String::from_utf8(body.to_vec()).ok()
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a MAC takes a key of any length")
}

fn about(purpose: Purpose, call: CallId) -> [u8; 17] {
    let mut about = [purpose as u8; 17];
    about[1..].copy_from_slice(&call.0.to_be_bytes());
    about
}

/// Whether a text may name a number, in whatever form.
fn names(text: &str, number: &Did) -> bool {
    let number = number.full();
    let end = number.char_indices().rev().nth(END - 1).map_or(0, |(at, _)| at);
    text.contains(&number[end..])
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use model::UnixTime;
    use model::record::CallType;

    use super::*;
    use crate::world;

    const CALL: CallId = CallId(42);

    #[test]
    fn a_number_is_opened_by_its_own_key_for_its_own_call() {
        let keys = keys("11");
        let sealed = sealed(&keys, "+14155550199");
        let Withheld::Sealed { key, text } = &sealed else { panic!("{sealed:?}") };
        assert!(!text.contains("4155550199"));
        assert_eq!(keys.open(CALL, &sealed), Ok("+14155550199".parse().unwrap()));
        assert_eq!(keys.open(CallId(43), &sealed), Err(Unopened::Damaged(key.clone())));
        let other = self::keys("22");
        assert_eq!(other.open(CALL, &sealed), Err(Unopened::NoSuchKey(key.clone())));
        let text = format!("00{}", &text[2..]);
        let damaged = Withheld::Sealed { key: key.clone(), text };
        assert_eq!(keys.open(CALL, &damaged), Err(Unopened::Damaged(key.clone())));
    }

    #[test]
    fn a_new_key_seals_and_the_old_one_still_opens() {
        let before = sealed(&keys("11"), "+14155550199");
        let both = Keys::parse(&format!("# new\n{}\n\n{}\n", "22".repeat(32), "11".repeat(32)));
        let both = both.unwrap();
        assert_eq!(both.open(CALL, &before), Ok("+14155550199".parse().unwrap()));
        let after = sealed(&both, "+14155550199");
        assert!(keys("11").open(CALL, &after).is_err());
        assert!(keys("22").open(CALL, &after).is_ok());
    }

    #[test]
    fn short_and_long_numbers_look_alike_and_a_repeated_request_is_the_same() {
        let keys = keys("11");
        let length = |number: &str| match sealed(&keys, number) {
            Withheld::Sealed { text, .. } => text.len(),
            Withheld::Plain(_) | Withheld::NotKept => 0,
        };
        assert_eq!(length("7042"), length("+123456789012345"));
        assert_eq!(sealed(&keys, "7042"), sealed(&keys, "7042"));
    }

    #[test]
    fn without_a_key_the_number_is_not_kept_in_whatever_form() {
        for dialog in ["To: <sip:+14155550199@h>", "To: <sip:4155550199@h>", "To: <sip:a@h>"] {
            let mut leg = leg(dialog);
            Keys::default().seal_leg(&mut leg);
            assert_eq!(leg.cdr.withheld, Some(Withheld::NotKept));
            assert_eq!(leg.dialog.is_empty(), dialog.contains("0199"), "{dialog}");
        }
    }

    #[test]
    fn a_dialog_that_names_the_number_is_sealed_and_opened() {
        let (keys, dialog) = (keys("11"), "To: <sip:+14155550199@h>");
        let mut leg = leg(dialog);
        keys.seal_leg(&mut leg);
        assert!(leg.dialog.starts_with(SEALED) && !leg.dialog.contains("0199"), "{}", leg.dialog);
        assert_eq!(keys.dialog(CALL, &leg.dialog), dialog);
        assert_eq!(self::keys("22").dialog(CALL, &leg.dialog), "");
        assert_eq!(keys.dialog(CALL, dialog), dialog, "what is not sealed is as it is");
    }

    #[test]
    fn what_is_no_key_is_named_by_its_line() {
        let short = Keys::parse("\nabc").unwrap_err();
        assert_eq!(short, KeyError(2));
        assert!(short.to_string().contains("openssl rand -hex 32"));
        assert!(Keys::parse(&"zz".repeat(32)).is_err());
        assert!(Keys::parse("").unwrap().is_empty());
    }

    fn keys(byte: &str) -> Keys {
        Keys::parse(&byte.repeat(32)).unwrap()
    }

    fn sealed(keys: &Keys, number: &str) -> Withheld {
        let mut cdr = Cdr::begun(CALL, CallType::In, UnixTime::default());
        cdr.withheld = Some(Withheld::Plain(number.parse().unwrap()));
        keys.seal_record(&mut cdr);
        cdr.withheld.unwrap()
    }

    fn leg(dialog: &str) -> OpenLeg {
        let mut leg = world::leg(CALL.0, None);
        leg.dialog = dialog.to_owned();
        leg.cdr.withheld = Some(Withheld::Plain("+14155550199".parse().unwrap()));
        leg
    }
}
