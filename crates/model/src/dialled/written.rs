//! The characters of a written number: separators fall away, everything strange has a name.

use super::Misdial;

/// Most digits that are looked at: 15, and room for every prefix.
pub(super) const DIGITS: usize = 32;

/// Longest text that is looked at, bytes.
const TEXT: usize = 128;

/// A few digits, without allocation.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Digits {
    digits: [u8; DIGITS],
    length: usize,
}

impl Digits {
    /// Puts texts of digits together.
    ///
    /// # Errors
    /// [`Misdial::TooLong`].
    pub(super) fn of(parts: &[&str]) -> Result<Self, Misdial> {
        let mut whole = Self::default();
        for digit in parts.iter().flat_map(|part| part.bytes()) {
            whole.push(digit)?;
        }
        Ok(whole)
    }

    /// Returns them.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.digits[..self.length]).unwrap_or("")
    }

    fn push(&mut self, digit: u8) -> Result<(), Misdial> {
        let place = self.digits.get_mut(self.length).ok_or(Misdial::TooLong)?;
        *place = digit;
        self.length += 1;
        Ok(())
    }
}

/// Digits, with what stood around them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// Whether a plus stood in front.
    pub(super) plus: bool,
    digits: Digits,
    /// Where a zero stood in brackets, after other digits.
    pub(super) optional_zero: Option<usize>,
}

impl Written {
    /// Takes a text apart.
    pub(super) fn read(text: &str) -> Result<Self, Misdial> {
        if text.len() > TEXT {
            return Err(Misdial::TooLong);
        }
        let text = text.trim_matches(' ');
        let text = match text.get(..4) {
            Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => text.get(4..).unwrap_or(""),
            Some(_) | None => text,
        };
        let mut written = Self { plus: false, digits: Digits::default(), optional_zero: None };
        for (at, character) in text.char_indices() {
            written.take(character, text.get(at..).unwrap_or_default())?;
        }
        if written.is_empty() { Err(Misdial::Empty) } else { Ok(written) }
    }

    /// Returns the digits.
    pub(super) fn digits(&self) -> &str {
        self.digits.text()
    }

    fn is_empty(&self) -> bool {
        self.digits.length == 0
    }

    /// Takes one character; `rest` begins with it.
    fn take(&mut self, character: char, rest: &str) -> Result<(), Misdial> {
        match character {
            '0'..='9' => self.digits.push(character as u8),
            '+' if self.is_empty() && !self.plus => {
                self.plus = true;
                Ok(())
            }
            '+' => Err(Misdial::MisplacedPlus),
            '(' if rest.starts_with("(0)") && !self.is_empty() => {
                if self.optional_zero.replace(self.digits.length).is_some() {
                    return Err(Misdial::ForeignCharacter);
                }
                Ok(())
            }
            ' ' | '-' | '.' | '/' | '(' | ')' => Ok(()),
            '*' | '#' => Err(Misdial::StarOrHash),
            '%' => Err(Misdial::PercentEncoded),
            ';' => Err(parameter(rest)),
            ',' => Err(Misdial::Extension),
            'a'..='z' | 'A'..='Z' if !self.is_empty() && is_extension(rest) => {
                Err(Misdial::Extension)
            }
            'a'..='z' | 'A'..='Z' => Err(Misdial::Letters),
            other if other.is_numeric() => Err(Misdial::ForeignDigits),
            _ => Err(Misdial::ForeignCharacter),
        }
    }
}

/// Names what follows a semicolon.
fn parameter(rest: &str) -> Misdial {
    let holds = |name: &str| {
        rest.as_bytes().windows(name.len()).any(|part| part.eq_ignore_ascii_case(name.as_bytes()))
    };
    if holds(";phone-context=") {
        Misdial::LocalContext
    } else if holds(";ext=") || holds(";postd=") {
        Misdial::Extension
    } else {
        Misdial::Parameters
    }
}

/// `x12`, `ext. 12`, `extension 12`: letters, then digits alone.
fn is_extension(rest: &str) -> bool {
    let word = rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let known = ["x", "ext", "extn", "extension"].iter().any(|w| word.eq_ignore_ascii_case(w));
    let after = rest.get(word.len()..).unwrap_or_default().trim_start_matches([' ', '.', ':']);
    known && !after.is_empty() && after.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_fall_away_and_a_bracketed_zero_is_noted() {
        let written = Written::read(" tel:+44 (0)20-7946.00/00 ").unwrap();
        assert_eq!((written.plus, written.digits()), (true, "4402079460000"));
        assert_eq!(written.optional_zero, Some(2));
        assert_eq!(Written::read("(0) 20").unwrap().optional_zero, None);
    }

    #[test]
    fn everything_strange_has_its_name() {
        for (text, name) in [
            ("", Misdial::Empty),
            ("+", Misdial::Empty),
            ("tel:", Misdial::Empty),
            ("1+2", Misdial::MisplacedPlus),
            ("++39", Misdial::MisplacedPlus),
            ("+39 011 1x22", Misdial::Extension),
            ("1-800-FLOWERS", Misdial::Letters),
            ("+3901١", Misdial::ForeignDigits),
            ("+39\u{ff10}", Misdial::ForeignDigits),
            ("+39\r\n011", Misdial::ForeignCharacter),
            ("+39\0", Misdial::ForeignCharacter),
            ("+39\u{202c}011", Misdial::ForeignCharacter),
            ("%2B39011", Misdial::PercentEncoded),
            ("*31#011", Misdial::StarOrHash),
            ("7042;phone-context=+39011", Misdial::LocalContext),
            ("+39011;isub=1", Misdial::Parameters),
            ("+39011;EXT=7", Misdial::Extension),
            ("+39011,,7", Misdial::Extension),
        ] {
            assert_eq!(Written::read(text).map(|_| ()), Err(name), "{text:?}");
        }
        assert_eq!(Written::read(&"1".repeat(129)).map(|_| ()), Err(Misdial::TooLong));
        assert_eq!(Written::read(&"1".repeat(33)).map(|_| ()), Err(Misdial::TooLong));
    }
}
