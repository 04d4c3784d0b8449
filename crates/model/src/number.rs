//! Telephone numbers. Parsed once, valid ever after; shown masked unless a biller asks.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a text is not a number of the kind wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NumberError {
    /// Empty, or a character that has no place in a number.
    #[error("not a number: write +CCNNN… (digits after a plus)")]
    Malformed,
    /// More than 15 digits (E.164) or 32 characters (local).
    #[error("too long: at most 15 digits, or 32 characters for a local string")]
    TooLong,
}

/// A number in international form, 1 to 15 digits without the plus (ITU-T E.164).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct E164 {
    digits: [u8; 15],
    len: u8,
}

impl E164 {
    /// Reads bare digits, as `425…` in a field that is declared to be E.164.
    ///
    /// # Errors
    /// [`NumberError`] on anything but 1 to 15 ASCII digits not starting with 0.
    pub fn from_digits(text: &str) -> Result<Self, NumberError> {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes[0] == b'0' || !bytes.iter().all(u8::is_ascii_digit) {
            return Err(NumberError::Malformed);
        }
        if bytes.len() > 15 {
            return Err(NumberError::TooLong);
        }
        let mut digits = [b'0'; 15];
        digits[..bytes.len()].copy_from_slice(bytes);
        Ok(Self { digits, len: u8::try_from(bytes.len()).unwrap_or(15) })
    }

    /// Returns the digits without the plus, unmasked. For the wire, matching and the billing view.
    #[must_use]
    pub fn digits(&self) -> &str {
        std::str::from_utf8(&self.digits[..usize::from(self.len)]).unwrap_or("")
    }
}

/// `+425…`, visual separators allowed.
impl FromStr for E164 {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let text = text.trim();
        let rest = text.strip_prefix("tel:").unwrap_or(text);
        let rest = rest.strip_prefix('+').ok_or(NumberError::Malformed)?;
        let digits: String =
            rest.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
        Self::from_digits(&digits)
    }
}

/// The last four digits are hidden: `+1415555****`.
impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("+")?;
        mask(self.digits(), f)
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A string that provisioning declared to be a number: tests, PBX trunks, anonymous-like callers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalNumber(Box<str>);

impl LocalNumber {
    /// Reads 1 to 32 characters out of letters, digits and `+ - . _ * #`.
    ///
    /// # Errors
    /// [`NumberError`] otherwise.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if text.len() > 32 {
            return Err(NumberError::TooLong);
        }
        let fits = |b: &u8| b.is_ascii_alphanumeric() || b"+-._*#".contains(b);
        if text.is_empty() || !text.as_bytes().iter().all(fits) {
            return Err(NumberError::Malformed);
        }
        Ok(Self(text.into()))
    }

    /// Returns the characters, unmasked.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LocalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        mask(&self.0, f)
    }
}

impl fmt::Debug for LocalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        mask(&self.0, f)
    }
}

/// A number of either kind: what was dialled, or who calls.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Did {
    /// International.
    E164(E164),
    /// A provisioned local string.
    Local(LocalNumber),
}

impl Did {
    /// Returns the number as it is stored and matched: `+` and digits, or the local string.
    /// Unmasked: for the store, the wire and the billing view only.
    #[must_use]
    pub fn full(&self) -> String {
        match self {
            Self::E164(number) => format!("+{}", number.digits()),
            Self::Local(local) => local.text().to_owned(),
        }
    }
}

/// Reads `+…` as E.164, anything else as a local string.
impl FromStr for Did {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        if text.trim_start().starts_with(['+', 't']) && text.contains('+') {
            return text.parse().map(Self::E164);
        }
        LocalNumber::parse(text).map(Self::Local)
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::E164(number) => fmt::Display::fmt(number, f),
            Self::Local(local) => fmt::Display::fmt(local, f),
        }
    }
}

impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Digits that a caller must keep secret: a conference ID or a PIN. Never shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pin(Box<str>);

impl Pin {
    /// Reads 1 to 16 ASCII digits.
    ///
    /// # Errors
    /// [`NumberError`] otherwise.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if text.len() > 16 {
            return Err(NumberError::TooLong);
        }
        if text.is_empty() || !text.as_bytes().iter().all(u8::is_ascii_digit) {
            return Err(NumberError::Malformed);
        }
        Ok(Self(text.into()))
    }

    /// Returns the digits. For comparison and storage only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

fn mask(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let shown = text.len().saturating_sub(4);
    for (at, letter) in text.chars().enumerate() {
        fmt::Write::write_char(f, if at < shown { letter } else { '*' })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_shown_masked_and_kept_whole() {
        let number: Did = "+1 (415) 555-0123".parse().unwrap();
        assert_eq!(number.to_string(), "+1415555****");
        assert_eq!(format!("{number:?}"), "+1415555****");
        assert_eq!(number.full(), "+14155550123");
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        assert_eq!("+".parse::<E164>(), Err(NumberError::Malformed));
        assert_eq!("+1234567890123456".parse::<E164>(), Err(NumberError::TooLong));
        assert_eq!("+12a4".parse::<E164>(), Err(NumberError::Malformed));
        assert_eq!("a b".parse::<Did>(), Err(NumberError::Malformed));
        assert_eq!("+٣٤٥".parse::<Did>(), Err(NumberError::Malformed));
    }

    #[test]
    fn a_pin_is_never_shown() {
        assert_eq!(format!("{:?}", Pin::parse("123456").unwrap()), "****");
    }
}
