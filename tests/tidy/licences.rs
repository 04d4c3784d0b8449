//! What may be linked into the product: every package of `Cargo.lock` and its licence.

use serde_json::Value;

use super::tree::Breach;

/// Licences that ask for no more than to be named.
const ALLOWED: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "BSL-1.0",
    "Unlicense",
    "CC0-1.0",
    "Unicode-3.0",
];

/// Packages looked at by a person: what their manifest says, and why it is in order.
const LOOKED_AT: &[(&str, &str)] = &[
    ("webpki-roots", "CDLA-Permissive-2.0"), // data: certificates; permissive
    ("rsip", ""),                            // MIT text in its LICENSE file, no field
    ("rsip-derives", ""),                    // the same
];

/// Packages that must not come in, whatever their manifest says.
const BANNED: &[&str] = &["g729-sys"]; // ported from GPL code

/// Checks `cargo metadata`'s list of packages.
pub(crate) fn every_licence_is_allowed(metadata: &Value) -> Vec<Breach> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut breaches = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or_default();
        if BANNED.contains(&name) {
            breaches.push(Breach::of(format!("{name} is banned")));
        } else if !permitted(licence) && !LOOKED_AT.contains(&(name, licence)) {
            breaches.push(Breach::of(format!("{name} has the licence {licence:?}")));
        }
    }
    breaches
}

/// Checks that metadata lists all that the lock file pins, so that nothing passes unseen.
pub(crate) fn every_locked_package_is_listed(metadata: &Value, lock: &str) -> Vec<Breach> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let listed = |name: &str| packages.iter().any(|package| package["name"] == name);
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let unseen = names.filter(|name| !listed(name));
    unseen
        .map(|name| Breach::of(format!("{name} is locked, but its licence is not seen")))
        .collect()
}

/// Evaluates an SPDX expression, the old `/` read as OR: one choice must be allowed whole.
fn permitted(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut at = 0;
    let allowed = any(&words, &mut at);
    allowed && at == words.len()
}

fn any(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = all(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        allowed |= all(words, at);
    }
    allowed
}

fn all(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        allowed &= one(words, at);
    }
    allowed
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let allowed = any(words, at);
        *at += 1;
        return allowed;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).copied().unwrap_or_default();
        *at += 2;
        return ALLOWED.contains(&format!("{word} WITH {exception}").as_str());
    }
    ALLOWED.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn expressions_are_read_as_written() {
        assert!(permitted("MIT OR GPL-3.0-only"));
        assert!(permitted("MIT/Apache-2.0"));
        assert!(permitted("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(permitted("Apache-2.0 WITH LLVM-exception OR GPL-2.0"));
        assert!(!permitted("MIT AND GPL-3.0-only"));
        assert!(!permitted("GPL-2.0 WITH Classpath-exception-2.0"));
        assert!(!permitted("(MIT OR Apache-2.0) AND (GPL-2.0 OR AGPL-3.0)"));
        assert!(!permitted(""));
    }

    #[test]
    fn a_banned_an_unnamed_and_an_unseen_package_are_seen() {
        let packages = json!({ "packages": [
            { "name": "g729-sys", "license": "MIT" },
            { "name": "mystery", "license": null },
            { "name": "rsip", "license": null },
            { "name": "bytes", "license": "MIT" },
        ] });
        assert_eq!(every_licence_is_allowed(&packages).len(), 2);
        let lock = "name = \"bytes\"\nname = \"hidden\"\n";
        assert_eq!(every_locked_package_is_listed(&packages, lock).len(), 1);
    }
}
