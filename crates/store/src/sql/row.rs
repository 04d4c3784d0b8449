//! Rows as arrays of JSON values: one statement carries any number of them.

use std::fmt::Display;
use std::str::FromStr;

use model::{Money, UnixTime};
use serde_json::Value;

use crate::Error;

/// A row to be written, in the order of its statement's columns.
#[derive(Debug, Default)]
pub(crate) struct Packed(Vec<Value>);

impl Packed {
    pub(crate) fn text(self, text: impl Display) -> Self {
        self.maybe_text(Some(text))
    }

    /// PostgreSQL knows no text with NUL in it: it is replaced.
    pub(crate) fn maybe_text(mut self, text: Option<impl Display>) -> Self {
        self.0.push(text.map_or(Value::Null, |text| {
            let text = text.to_string();
            Value::String(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text })
        }));
        self
    }

    pub(crate) fn int(mut self, number: impl Into<i64>) -> Self {
        self.0.push(Value::from(number.into()));
        self
    }

    /// A count or a time that lies within 63 bits in every lawful row.
    pub(crate) fn count(mut self, number: u64) -> Self {
        self.0.push(Value::from(i64::try_from(number).unwrap_or(i64::MAX)));
        self
    }

    pub(crate) fn maybe_int(mut self, number: Option<i64>) -> Self {
        self.0.push(number.map_or(Value::Null, Value::from));
        self
    }

    pub(crate) fn money(self, money: Money) -> Self {
        self.int(money.micros())
    }

    pub(crate) fn time(self, time: UnixTime) -> Self {
        self.int(time.micros)
    }

    pub(crate) fn nested(mut self, row: Self) -> Self {
        self.0.push(Value::Array(row.0));
        self
    }

    pub(crate) fn maybe_nested(mut self, row: Option<Self>) -> Self {
        self.0.push(row.map_or(Value::Null, |row| Value::Array(row.0)));
        self
    }

    pub(crate) fn chain(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(crate) fn nulls(mut self, count: usize) -> Self {
        self.0.extend((0..count).map(|_| Value::Null));
        self
    }
}

/// Writes rows as the one argument of a statement.
pub(crate) fn argument(rows: impl Iterator<Item = Packed>) -> String {
    Value::Array(rows.map(|row| Value::Array(row.0)).collect()).to_string()
}

/// Writes keys as the one argument of a statement, each a row of one column.
pub(crate) fn keys(keys: impl Iterator<Item = impl Display>) -> String {
    argument(keys.map(|key| Packed::default().text(key)))
}

/// A row as read, consumed from its first column.
#[derive(Debug)]
pub(crate) struct Fields(std::vec::IntoIter<Value>);

impl Fields {
    /// Reads an array's text.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        match serde_json::from_str(text) {
            Ok(Value::Array(values)) => Ok(Self(values.into_iter())),
            Ok(_) | Err(_) => Err(corrupt("a row is not an array")),
        }
    }

    /// Passes over a column.
    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        self.0.next().map(|_| ()).ok_or_else(|| corrupt("a column is missing"))
    }

    pub(crate) fn maybe_text(&mut self) -> Result<Option<String>, Error> {
        match self.0.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => {
                Err(corrupt("a column is not text"))
            }
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, Error> {
        self.maybe_text()?.ok_or_else(|| corrupt("a text is missing"))
    }

    pub(crate) fn parse<T: FromStr>(&mut self) -> Result<T, Error> {
        self.text()?.parse().map_err(|_| corrupt("a text is malformed"))
    }

    pub(crate) fn maybe_parse<T: FromStr>(&mut self) -> Result<Option<T>, Error> {
        let parsed = self.maybe_text()?.map(|text| text.parse()).transpose();
        parsed.map_err(|_| corrupt("a text is malformed"))
    }

    /// Reads one word of a closed set.
    pub(crate) fn word<T: Copy>(&mut self, set: &[(&str, T)]) -> Result<T, Error> {
        self.maybe_word(set)?.ok_or_else(|| corrupt("a word is missing"))
    }

    pub(crate) fn maybe_word<T: Copy>(&mut self, set: &[(&str, T)]) -> Result<Option<T>, Error> {
        let Some(text) = self.maybe_text()? else {
            return Ok(None);
        };
        let known = set.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        known.map(Some).ok_or_else(|| corrupt("a word is not of its set"))
    }

    pub(crate) fn maybe_int(&mut self) -> Result<Option<i64>, Error> {
        match self.0.next() {
            Some(Value::Null) => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| corrupt("not a whole number")),
            None => Err(corrupt("a column is missing")),
        }
    }

    pub(crate) fn int<T: TryFrom<i64>>(&mut self) -> Result<T, Error> {
        let number = self.maybe_int()?.ok_or_else(|| corrupt("a number is missing"))?;
        T::try_from(number).map_err(|_| corrupt("a number is out of range"))
    }

    pub(crate) fn money(&mut self) -> Result<Money, Error> {
        self.int().map(Money::from_micros)
    }

    pub(crate) fn time(&mut self) -> Result<UnixTime, Error> {
        self.int().map(|micros| UnixTime { micros })
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Error> {
        self.int::<i64>().map(|number| number != 0)
    }

    /// Reads a nested row: as an array, or as the text of one.
    pub(crate) fn maybe_nested(&mut self) -> Result<Option<Self>, Error> {
        match self.0.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::Array(values)) => Ok(Some(Self(values.into_iter()))),
            Some(Value::String(text)) => Self::read(&text).map(Some),
            Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                Err(corrupt("a column is not a row"))
            }
        }
    }

    /// Reads a list of nested rows from its text.
    pub(crate) fn rows(&mut self) -> Result<Vec<Self>, Error> {
        let mut rows = Self::read(&self.text()?)?;
        let mut read = Vec::new();
        while !rows.is_over() {
            read.push(rows.nested()?);
        }
        Ok(read)
    }

    /// Whether no column is left.
    pub(crate) fn is_over(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    pub(crate) fn nested(&mut self) -> Result<Self, Error> {
        self.maybe_nested()?.ok_or_else(|| corrupt("a nested row is missing"))
    }
}

/// Returns the word that a value is written as.
pub(crate) fn word_of<T: PartialEq>(set: &[(&'static str, T)], value: &T) -> &'static str {
    let known = set.iter().find(|(_, member)| member == value);
    known.map(|(word, _)| *word).expect("every variant has its word")
}

/// Says that a stored row contradicts the schema.
pub(crate) fn corrupt(what: &str) -> Error {
    Error::Corrupt(what.to_owned())
}
