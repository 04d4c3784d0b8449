//! Countries, as the numbering plans and the policies know them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a text is not a country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a country: write its two capital letters, like IT (ISO 3166-1)")]
pub struct CountryError;

/// A country or territory with a code of its own: ISO 3166-1 alpha-2, and `XK` for Kosovo.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Returns the two letters.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

/// Two ASCII capitals; whether the country exists is for the numbering data to say.
impl FromStr for Country {
    type Err = CountryError;

    fn from_str(text: &str) -> Result<Self, CountryError> {
        match text.as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => Ok(Self([*a, *b])),
            _ => Err(CountryError),
        }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_capitals_are_a_country_and_nothing_else_is() {
        assert_eq!("IT".parse::<Country>().unwrap().code(), "IT");
        for text in ["", "I", "it", "ITA", "1T", "ÄT"] {
            assert_eq!(text.parse::<Country>(), Err(CountryError), "{text}");
        }
    }
}
