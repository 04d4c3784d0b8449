//! Where each key of a TOML file stands, so that an error can name its line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Every key of a file with its place.
#[derive(Debug, Default)]
pub(super) struct Places {
    keys: Vec<Place>,
    line_ends: Vec<usize>,
}

#[derive(Debug)]
struct Place {
    /// `trunk[1].name`.
    key: String,
    /// The key itself, or a table's heading.
    name: Range<usize>,
    value: Range<usize>,
}

impl Places {
    /// Notes the places of a text; of none if it is not TOML.
    pub(super) fn of(text: &str) -> Self {
        let line_ends = text.match_indices('\n').map(|(at, _)| at).collect();
        let mut places = Self { keys: Vec::new(), line_ends };
        if let Ok(table) = DeTable::parse(text) {
            places.walk("", table.get_ref());
        }
        places
    }

    /// Returns the line of a byte, 1 for the first.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.line_ends.partition_point(|end| *end < offset) + 1
    }

    /// Returns the line of a key, or of the nearest table around it that is there.
    pub(super) fn line_of(&self, key: &str) -> usize {
        let mut key = key;
        loop {
            if let Some(place) = self.keys.iter().find(|place| place.key == key) {
                return self.line_at(place.name.start);
            }
            match key.rfind(['.', '[']) {
                Some(end) => key = key.get(..end).unwrap_or_default(),
                None => return 1,
            }
        }
    }

    /// Returns the innermost key at a byte.
    pub(super) fn key_at(&self, offset: usize) -> Option<&str> {
        let holds = |range: &Range<usize>| range.contains(&offset);
        let named = self.keys.iter().rev().find(|place| holds(&place.name));
        let valued = || {
            let around = self.keys.iter().filter(|place| holds(&place.value));
            around.min_by_key(|place| place.value.len())
        };
        named.or_else(valued).map(|place| place.key.as_str())
    }

    fn walk(&mut self, above: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let dot = if above.is_empty() { "" } else { "." };
            self.note(format!("{above}{dot}{}", name.get_ref()), name.span(), value);
        }
    }

    fn note(&mut self, key: String, name: Range<usize>, value: &Spanned<DeValue<'_>>) {
        self.keys.push(Place { key: key.clone(), name, value: value.span() });
        if let Some(table) = value.get_ref().as_table() {
            self.walk(&key, table);
        } else if let Some(items) = value.get_ref().as_array() {
            for (at, item) in items.iter().enumerate() {
                let start = item.span().start;
                self.note(format!("{key}[{at}]"), start..start, item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "[media]\nport_first = 10\n\n[[trunk]]\nname = \"a\"\n[[trunk]]\nname = \"b\"\n";

    #[test]
    fn a_key_is_found_on_its_line() {
        let places = Places::of(TEXT);
        assert_eq!(places.line_of("media.port_first"), 2);
        assert_eq!(places.line_of("trunk[0].name"), 5);
        assert_eq!(places.line_of("trunk[1].name"), 7);
    }

    #[test]
    fn a_missing_key_is_found_at_its_table() {
        let places = Places::of(TEXT);
        assert_eq!(places.line_of("media.port_last"), 1);
        assert_eq!(places.line_of("trunk[1].signalling"), 6);
        assert_eq!(places.line_of("store.url"), 1);
    }

    #[test]
    fn a_byte_belongs_to_the_innermost_key() {
        let places = Places::of(TEXT);
        let at = TEXT.find("\"b\"").unwrap();
        assert_eq!(places.key_at(at), Some("trunk[1].name"));
        assert_eq!(places.key_at(TEXT.find("10").unwrap()), Some("media.port_first"));
    }
}
