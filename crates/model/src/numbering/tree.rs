//! Prefixes of numbers as a tree of digits.

use super::Class;
use crate::Country;

/// What is known of a prefix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) country: Option<Country>,
    pub(super) class: Option<Class>,
}

/// What a line says of its prefixes.
#[derive(Debug, Clone, Copy)]
enum What {
    Country(Country),
    /// With the fewest digits of a number that it holds for.
    Class(Class, u8),
}

#[derive(Debug, Default)]
struct Node {
    /// Index of the node of each next digit; 0 is none.
    next: [u16; 10],
    country: Option<Country>,
    /// A class, and the fewest digits of a number that it holds for.
    class: Option<(Class, u8)>,
}

/// All prefixes. Node 0 is the root.
#[derive(Debug)]
pub(super) struct Tree(Vec<Node>);

impl Tree {
    /// Reads lines of `WHAT BASE [REST…]`: WHAT is a country or the name of a class, and holds for
    /// BASE followed by each REST, or for BASE itself where there is none. `x` is any digit.
    /// `BASE:N` holds for numbers of at least N digits.
    pub(super) fn of(lines: impl Iterator<Item = &'static str>) -> Self {
        let mut tree = Self(vec![Node::default()]);
        for line in lines {
            let Some((what, base, rest)) = parts(line) else { continue };
            for rest in rest {
                tree.put(0, &format!("{base}{rest}"), what);
            }
        }
        tree
    }

    /// Finds the deepest country and the deepest class on the way along the digits.
    pub(super) fn find(&self, digits: &str) -> Found {
        let mut found = Found::default();
        let mut at = 0;
        for digit in digits.bytes() {
            let next = self.0.get(at).map_or(0, |node| node.next[usize::from(digit % 16 % 10)]);
            at = usize::from(next);
            let Some(node) = self.0.get(at).filter(|_| next != 0) else { break };
            found.country = node.country.or(found.country);
            let class = node.class.filter(|(_, fewest)| digits.len() >= usize::from(*fewest));
            found.class = class.map(|(class, _)| class).or(found.class);
        }
        found
    }

    /// Returns every country that a prefix names, some more than once.
    #[cfg(test)]
    pub(super) fn countries(&self) -> impl Iterator<Item = Country> {
        self.0.iter().filter_map(|node| node.country)
    }

    fn put(&mut self, at: usize, digits: &str, what: What) {
        let Some(first) = digits.bytes().next() else {
            if let Some(node) = self.0.get_mut(at) {
                match what {
                    What::Country(country) => node.country = Some(country),
                    What::Class(class, fewest) => node.class = Some((class, fewest)),
                }
            }
            return;
        };
        let rest = digits.get(1..).unwrap_or_default();
        match first {
            b'0'..=b'9' => {
                let next = self.step(at, usize::from(first - b'0'));
                self.put(next, rest, what);
            }
            _ => {
                for digit in 0..10 {
                    let next = self.step(at, digit);
                    self.put(next, rest, what);
                }
            }
        }
    }

    /// Returns the node of the next digit, made if need be.
    fn step(&mut self, at: usize, digit: usize) -> usize {
        let known = self.0.get(at).map_or(0, |node| node.next[digit]);
        if known != 0 {
            return usize::from(known);
        }
        let new = u16::try_from(self.0.len()).expect("the numbering data has under 65536 prefixes");
        self.0.push(Node::default());
        if let Some(node) = self.0.get_mut(at) {
            node.next[digit] = new;
        }
        usize::from(new)
    }
}

/// Whether a line is well-formed.
#[cfg(test)]
pub(super) fn is_sound(line: &'static str) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'x');
    parts(line).is_some_and(|(_, base, mut rest)| digits(base) && rest.all(digits))
}

fn parts(line: &'static str) -> Option<(What, &'static str, impl Iterator<Item = &'static str>)> {
    let mut columns = line.split_whitespace();
    let (what, base) = (columns.next()?, columns.next()?);
    let (base, fewest) = match base.split_once(':') {
        Some((base, fewest)) => (base, fewest.parse().ok()?),
        None => (base, 0),
    };
    let what = match what.parse::<Country>() {
        Ok(country) => What::Country(country),
        Err(_) => What::Class(class(what)?, fewest),
    };
    let mut columns = columns.peekable();
    let bare = if columns.peek().is_none() { Some("") } else { None };
    Some((what, base, bare.into_iter().chain(columns)))
}

fn class(name: &str) -> Option<Class> {
    const CLASSES: [Class; 9] = [
        Class::Ordinary,
        Class::TollFree,
        Class::Premium,
        Class::SharedCost,
        Class::Personal,
        Class::Satellite,
        Class::Emergency,
        Class::Short,
        Class::Unassigned,
    ];
    CLASSES.into_iter().find(|class| class.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_prefix_wins_and_country_and_class_are_found_apart() {
        let lines = [
            "IT 39",
            "VA 39 06698",
            "premium 39 89",
            "ordinary 39 899",
            "short 44 1x1",
            "premium 353:13 15",
        ];
        let tree = Tree::of(lines.into_iter());
        let found = |digits| {
            let found = tree.find(digits);
            (found.country.map(|country| country.to_string()), found.class)
        };
        assert_eq!(found("3906698"), (Some("VA".into()), None));
        assert_eq!(found("390669"), (Some("IT".into()), None));
        assert_eq!(found("39891"), (Some("IT".into()), Some(Class::Premium)));
        assert_eq!(found("39899"), (Some("IT".into()), Some(Class::Ordinary)));
        assert_eq!(found("44171"), (None, Some(Class::Short)));
        assert_eq!(found("4417"), (None, None));
        assert_eq!(found("353151234567"), (None, None));
        assert_eq!(found("3531512345678"), (None, Some(Class::Premium)));
    }
}
