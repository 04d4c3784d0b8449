//! Master keys, and how SDP carries them: `a=crypto` (RFC 4568).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a master key.
const KEY: usize = 16;
/// Bytes of the longer master salt.
const SALT: usize = 14;

/// How packets are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// `AES_CM_128_HMAC_SHA1_80` (RFC 4568 §6.2.1).
    AesCm128HmacSha1Tag80,
    /// `AEAD_AES_128_GCM` (RFC 7714 §14.2).
    AeadAes128Gcm,
}

impl Suite {
    /// Both, in our order of preference.
    pub const ALL: [Self; 2] = [Self::AeadAes128Gcm, Self::AesCm128HmacSha1Tag80];

    /// Returns its name in SDP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
        }
    }

    pub(super) const fn salt(self) -> usize {
        match self {
            Self::AesCm128HmacSha1Tag80 => SALT,
            Self::AeadAes128Gcm => 12,
        }
    }
}

/// A master key with its salt. Never shown (reliability.md S24).
#[derive(Clone, PartialEq, Eq)]
pub struct Keying {
    pub(super) suite: Suite,
    pub(super) key: [u8; KEY],
    /// Zeros follow a shorter one.
    pub(super) salt: [u8; SALT],
}

impl fmt::Debug for Keying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keying({}, *)", self.suite.name())
    }
}

impl Keying {
    /// Bytes to draw for one.
    pub const BYTES: usize = KEY + SALT;

    /// Makes a key of random bytes.
    #[must_use]
    pub fn new(suite: Suite, random: [u8; Self::BYTES]) -> Self {
        let mut keying = Self { suite, key: [0; KEY], salt: [0; SALT] };
        let (key, salt) = random.split_at(KEY);
        keying.key.copy_from_slice(key);
        keying.salt[..suite.salt()].copy_from_slice(&salt[..suite.salt()]);
        keying
    }

    /// Returns what it is for.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }
}

/// One `a=crypto` that we can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crypto {
    pub(crate) tag: u32,
    pub(crate) keying: Keying,
}

impl Crypto {
    /// Reads the value of an attribute; `None` for what we cannot do: other suites, several keys,
    /// an identifier in each packet (MKI), and session parameters that change the protection.
    pub(crate) fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9 && is_number(tag))?.parse().ok()?;
        let name = words.next()?;
        let suite = Suite::ALL.into_iter().find(|suite| suite.name() == name)?;
        let keying = keying(suite, words.next()?)?;
        // Parameters that begin with a hyphen may be ignored; a window size hint always may.
        let harmless = |word: &str| word.starts_with('-') || word.starts_with("WSH=");
        words.all(harmless).then_some(Self { tag, keying })
    }

    /// Writes the value of an attribute.
    pub(crate) fn write(&self) -> String {
        let Keying { suite, key, salt } = &self.keying;
        let secret = [&key[..], &salt[..suite.salt()]].concat();
        format!("{} {} inline:{}", self.tag, suite.name(), STANDARD.encode(secret))
    }
}

/// Reads `inline:KEY[|LIFETIME]`. The lifetime is not looked at: no call of ours lasts as long as
/// the shortest one that an index allows.
fn keying(suite: Suite, parameters: &str) -> Option<Keying> {
    let (method, info) = parameters.split_once(':')?;
    if !method.eq_ignore_ascii_case("inline") || info.contains([';', ':']) {
        return None;
    }
    let secret = info.split('|').next()?;
    let secret = STANDARD.decode(secret).ok()?;
    if secret.len() != KEY + suite.salt() {
        return None;
    }
    let mut random = [0; Keying::BYTES];
    random.get_mut(..secret.len())?.copy_from_slice(&secret);
    Some(Keying::new(suite, random))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of thirty bytes 0, 1, 2 …
    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";

    #[test]
    fn a_key_survives_the_wire() {
        for suite in Suite::ALL {
            let keying = Keying::new(suite, std::array::from_fn(|n| n as u8));
            let crypto = Crypto { tag: 3, keying };
            assert_eq!(Crypto::read(&crypto.write()), Some(crypto));
        }
        let read = Crypto::read(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{SECRET}|2^20 WSH=128"));
        let keying = read.unwrap().keying;
        assert_eq!(keying.key[..3], [0, 1, 2]);
        assert_eq!(keying.salt[..], [16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
    }

    #[test]
    fn what_we_cannot_do_is_passed_over() {
        for value in [
            "",
            "1",
            "x AES_CM_128_HMAC_SHA1_80 inline:SECRET",
            "1 AES_CM_128_HMAC_SHA1_32 inline:SECRET",
            "1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=",
            "1 AES_CM_128_HMAC_SHA1_80 inline:SECRET|2^20|1:4",
            "1 AES_CM_128_HMAC_SHA1_80 inline:SECRET;inline:SECRET",
            "1 AES_CM_128_HMAC_SHA1_80 inline:SECRET UNENCRYPTED_SRTP",
            "1 AES_CM_128_HMAC_SHA1_80 inline:SECRET KDR=1",
            "1 AES_CM_128_HMAC_SHA1_80 other:SECRET",
            "1 AEAD_AES_128_GCM inline:SECRET",
            "9999999999 AES_CM_128_HMAC_SHA1_80 inline:SECRET",
        ] {
            assert_eq!(Crypto::read(&value.replace("SECRET", SECRET)), None, "{value}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let keying = Keying::new(Suite::AeadAes128Gcm, [0x41; Keying::BYTES]);
        assert_eq!(format!("{keying:?}"), "Keying(AEAD_AES_128_GCM, *)");
    }
}
