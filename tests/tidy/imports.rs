//! Who may import whom: the table of house crates, of outside crates, and of the files that may
//! name a particular one.

use std::collections::BTreeMap;

use super::tree::{Breach, File, Tree};

/// A crate's place: what of the house and what from outside its `[dependencies]` may name.
struct Place {
    name: &'static str,
    house: &'static [&'static str],
    outside: &'static [&'static str],
}

/// Every crate of the house. Anything absent is forbidden.
const PLACES: &[Place] = &[
    Place { name: "model", house: &[], outside: &["rust_decimal", "thiserror"] },
    Place {
        name: "sip",
        house: &["model"],
        outside: &[
            "rsip",
            "bytes",
            "tracing",
            "thiserror",
            "slab",
            "rand_chacha",
            // Digest authentication is made of these (RFC 8760).
            "md-5",
            "sha2",
            // Nonces are signed, proofs compared by these.
            "hmac",
            "subtle",
        ],
    },
    Place {
        name: "media",
        house: &["model"],
        outside: &[
            "rtp-rs",
            "rtcp-types",
            "sdp-types",
            "hound",
            "aes",
            "ctr",
            "hmac",
            "sha1",
            "aes-gcm",
            "subtle",
            "base64",
            "thiserror",
            "slab",
            "bytes",
            "rand_chacha",
        ],
    },
    Place { name: "credits", house: &["model"], outside: &["rust_decimal", "thiserror"] },
    Place {
        name: "bridge",
        house: &["model", "sip", "media", "credits"],
        outside: &["tracing", "thiserror", "bytes", "slab", "rand_chacha", "jiff"],
    },
    Place {
        name: "net",
        house: &[],
        outside: &[
            "libc",
            "socket2",
            "tokio",
            "bytes",
            "hickory-resolver",
            "tokio-rustls",
            "rustls-native-certs",
            "x509-parser",
        ],
    },
    Place {
        name: "store",
        house: &["model", "credits"],
        outside: &[
            "sqlx",
            "tokio",
            "thiserror",
            "serde",
            "serde_json",
            "tracing",
            // Withheld numbers are sealed by these.
            "aes-gcm",
            "hmac",
            "sha2",
        ],
    },
    Place {
        name: "api",
        house: &["model", "credits", "bridge", "store"],
        outside: &["axum", "tokio", "serde", "serde_json", "subtle", "thiserror", "jiff"],
    },
    Place {
        name: "gateway",
        house: &["model", "sip", "media", "credits", "bridge", "net", "store", "api"],
        outside: &[
            "tokio",
            "clap",
            "toml",
            "serde",
            "serde_json",
            "anyhow",
            "metrics",
            "metrics-exporter-prometheus",
            "tracing",
            "tracing-subscriber",
            "bytes",
            "rand_chacha",
            "socket2",
            "jiff",
        ],
    },
];

/// Names that may stand in code only under these paths; a place ending in `/` or `.rs` is a folder
/// or a file, anything else the beginning of a name.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("rsip", &["crates/sip/src/message/", "crates/sip/src/message.rs"]),
    ("rtp_rs", &["crates/media/src/rtp.rs"]),
    ("rtcp_types", &["crates/media/src/rtcp.rs"]),
    ("sdp_types", &["crates/media/src/sdp/", "crates/media/src/sdp.rs", "crates/media/tests/"]),
    ("hound", &["crates/media/src/prompt", "crates/media/tests/", "tests/"]),
    ("sqlx", &["crates/store/"]),
    ("metrics_exporter_prometheus", &["crates/gateway/src/telemetry"]),
    ("metrics::", &["crates/gateway/src/telemetry"]),
    ("anyhow", &["crates/gateway/"]),
    ("jiff", &["crates/gateway/", "crates/api/", "crates/bridge/src/outbound/night.rs"]),
    ("libc", &["crates/net/"]),
    ("hickory_resolver", &["crates/net/src/resolve.rs"]),
    ("tokio_rustls", &["crates/net/", "tests/harness/"]),
    ("x509_parser", &["crates/net/src/tls.rs"]),
];

/// What no core ever names: an engine, a lock, a queue, the outside.
const NEVER_IN_CORES: &[&str] = &[
    "tokio",
    "std::net::UdpSocket",
    "UdpSocket",
    "TcpListener",
    "TcpStream",
    "std::thread",
    "std::fs",
    "std::sync::mpsc",
    "Mutex",
    "RwLock",
    "Condvar",
    "async fn",
];
const CORES: &[&str] = &["model", "sip", "media", "credits", "bridge"];

/// Checks each manifest's `[dependencies]` against [`PLACES`].
pub(crate) fn dependencies_point_one_way(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for place in PLACES {
        let Some(manifest) = tree.file(&format!("crates/{}/Cargo.toml", place.name)) else {
            breaches.push(Breach::of(format!("crates/{} has no Cargo.toml", place.name)));
            continue;
        };
        for (line, name) in dependencies(manifest, "[dependencies]") {
            let known = place.house.contains(&name.as_str());
            if !known && !place.outside.contains(&name.as_str()) {
                let what = format!("{} must not depend on {name}", place.name);
                breaches.push(Breach::at(manifest, line, what));
            }
        }
        for (line, name) in dependencies(manifest, "[dev-dependencies]") {
            let house = PLACES.iter().any(|other| other.name == name);
            if house && !place.house.contains(&name.as_str()) {
                let what = format!("tests of {} must not depend on {name}", place.name);
                breaches.push(Breach::at(manifest, line, what));
            }
        }
    }
    breaches
}

/// Checks that `crates/` holds exactly the crates of [`PLACES`].
pub(crate) fn every_crate_has_a_place(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.under("crates/").filter(|file| file.path.ends_with("/Cargo.toml")) {
        let folder = file.path.trim_start_matches("crates/").trim_end_matches("/Cargo.toml");
        if !PLACES.iter().any(|place| place.name == folder) {
            breaches.push(Breach::of(format!("crates/{folder} has no place in the house")));
        }
    }
    breaches
}

/// Checks that versions live in the workspace only and that its lints apply everywhere. Fuzzing by a
/// nightly compiler is a workspace of its own.
pub(crate) fn manifests_defer_to_the_workspace(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let ours = tree.files.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    for file in ours.filter(|file| file.path != "tests/fuzz/Cargo.toml") {
        for section in ["[dependencies]", "[dev-dependencies]", "[build-dependencies]"] {
            for (line, name) in dependencies(file, section) {
                let said = file.text.lines().nth(line).unwrap_or_default();
                if !said.contains("workspace = true") {
                    let what = format!("{name} must take its version from the workspace");
                    breaches.push(Breach::at(file, line, what));
                }
            }
        }
        if !file.text.contains("[lints]\nworkspace = true") {
            breaches.push(Breach::at(file, 0, "the workspace's lints do not apply"));
        }
    }
    breaches
}

/// Checks that libraries behind a wall are named only behind it.
pub(crate) fn libraries_stay_behind_their_walls(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.rust() {
        for (name, places) in ONLY_IN {
            if places.iter().any(|place| file.path.starts_with(place)) {
                continue;
            }
            let lines = file.lines_with(name.trim_end_matches(':'));
            for line in lines.into_iter().filter(|line| names_crate(file, *line, name)) {
                let what = format!("{name} is named outside {places:?}");
                breaches.push(Breach::at(file, line, what));
            }
        }
    }
    breaches
}

/// Checks that cores name no engine, lock, queue, thread, file or socket.
pub(crate) fn cores_cannot_do_anything(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for core in CORES {
        let sources = format!("crates/{core}/src/");
        for file in tree.under(&sources).filter(|file| file.path.ends_with(".rs")) {
            for name in NEVER_IN_CORES {
                for line in file.lines_with(name) {
                    let what = format!("a core must not name {name}");
                    breaches.push(Breach::at(file, line, what));
                }
            }
        }
    }
    breaches
}

/// Checks that house imports in code agree with the table, dev-dependencies included.
pub(crate) fn sources_import_only_what_their_place_allows(tree: &Tree) -> Vec<Breach> {
    let known: BTreeMap<_, _> = PLACES.iter().map(|place| (place.name, place)).collect();
    let mut breaches = Vec::new();
    for file in tree.under("crates/").filter(|file| file.path.ends_with(".rs")) {
        let Some(place) = file.path.split('/').nth(1).and_then(|name| known.get(name)) else {
            continue;
        };
        for (line, said) in file.code.lines().enumerate() {
            let said = said.trim_start().trim_start_matches("pub ");
            let imported = said.strip_prefix("use ").unwrap_or_default();
            let name = imported.split(':').next().unwrap_or_default();
            let foreign = known.contains_key(name) && name != place.name;
            let local = declares_module(file, name);
            if foreign && !local && !place.house.contains(&name) {
                let what = format!("{} must not import {name}", place.name);
                breaches.push(Breach::at(file, line, what));
            }
        }
    }
    breaches
}

/// Whether the line speaks of the crate, not of a module or a variable of that name: the name is
/// followed by `::` or stands in a `use`, and nothing qualifies it.
fn names_crate(file: &File, line: usize, name: &str) -> bool {
    let said = file.code.lines().nth(line).unwrap_or_default();
    let name = name.trim_end_matches(':');
    said.match_indices(name).any(|(at, _)| {
        let before = &said[..at];
        let qualified = before.ends_with("::") && !before.ends_with(" ::");
        let follows = said[at + name.len()..].starts_with("::");
        let whole = said.trim() == format!("use {name};");
        (follows || whole) && !qualified && !before.ends_with('_')
    })
}

fn declares_module(file: &File, name: &str) -> bool {
    let declared = [format!("mod {name};"), format!("mod {name} {{")];
    declared.iter().any(|declaration| file.code.contains(declaration))
}

/// Returns the names in one section of a manifest with their lines.
fn dependencies(manifest: &File, section: &str) -> Vec<(usize, String)> {
    let lines = manifest.text.lines().enumerate();
    lines
        .skip_while(|(_, line)| *line != section)
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('['))
        .filter_map(|(number, line)| Some((number, line.split(['.', ' ', '=']).next()?.to_owned())))
        .filter(|(_, name)| !name.is_empty() && !name.starts_with('#'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upward_dependency_is_seen() {
        let credits = "[dependencies]\nmodel.workspace = true\nsqlx.workspace = true\n";
        let tree = Tree::of(&[("crates/credits/Cargo.toml", credits)]);
        let breaches = dependencies_point_one_way(&tree);
        assert!(breaches.iter().any(|breach| breach.to_string().contains("depend on sqlx")));
        assert!(!breaches.iter().any(|breach| breach.to_string().contains("depend on model")));
        let tests = "[dependencies]\n[dev-dependencies]\nbridge.workspace = true\n";
        let breaches = dependencies_point_one_way(&Tree::of(&[("crates/sip/Cargo.toml", tests)]));
        assert!(breaches.iter().any(|breach| breach.to_string().contains("depend on bridge")));
    }

    #[test]
    fn an_unknown_crate_is_seen() {
        let tree = Tree::of(&[("crates/common/Cargo.toml", ""), ("crates/sip/Cargo.toml", "")]);
        assert_eq!(every_crate_has_a_place(&tree).len(), 1);
    }

    #[test]
    fn a_version_of_its_own_and_missing_lints_are_seen() {
        let own = "[dependencies]\nbytes = \"1\"\n[lints]\nworkspace = true\n";
        assert_eq!(manifests_defer_to_the_workspace(&Tree::of(&[("a/Cargo.toml", own)])).len(), 1);
        let bare = "[dependencies]\nbytes = { workspace = true }\n";
        assert_eq!(manifests_defer_to_the_workspace(&Tree::of(&[("a/Cargo.toml", bare)])).len(), 1);
    }

    #[test]
    fn a_library_outside_its_wall_is_seen() {
        let breach = |path, text| libraries_stay_behind_their_walls(&Tree::of(&[(path, text)]));
        assert_eq!(breach("crates/sip/src/endpoint.rs", "use rsip::Uri;").len(), 1);
        assert_eq!(breach("crates/sip/src/message/uri.rs", "use rsip::Uri;").len(), 0);
        assert_eq!(breach("crates/bridge/src/lib.rs", "metrics::counter!(x);").len(), 1);
        assert_eq!(breach("crates/api/src/lib.rs", "crate::metrics::render();").len(), 0);
        assert_eq!(breach("crates/api/src/lib.rs", "use sqlx;").len(), 1);
        assert_eq!(breach("crates/api/src/lib.rs", "// rsip::Uri\nlet libc = 1;").len(), 0);
    }

    #[test]
    fn a_core_with_a_lock_is_seen() {
        let tree = Tree::of(&[("crates/bridge/src/lib.rs", "use std::sync::Mutex;")]);
        assert_eq!(cores_cannot_do_anything(&tree).len(), 1);
        let tree = Tree::of(&[("crates/sip/src/lib.rs", "async fn wait() { tokio::spawn(x); }")]);
        assert_eq!(cores_cannot_do_anything(&tree).len(), 2);
        let tree = Tree::of(&[("crates/net/src/lib.rs", "use std::net::UdpSocket;")]);
        assert_eq!(cores_cannot_do_anything(&tree).len(), 0);
    }

    #[test]
    fn a_sideways_import_is_seen() {
        let breach =
            |path, text| sources_import_only_what_their_place_allows(&Tree::of(&[(path, text)]));
        assert_eq!(breach("crates/sip/src/lib.rs", "use media::Worker;").len(), 1);
        assert_eq!(breach("crates/bridge/src/lib.rs", "use media::Worker;").len(), 0);
        assert_eq!(breach("crates/gateway/src/a.rs", "mod media;\nuse media::Plane;").len(), 0);
        assert_eq!(breach("crates/net/src/lib.rs", "mod store;\nuse store::Plane;").len(), 0);
    }
}
