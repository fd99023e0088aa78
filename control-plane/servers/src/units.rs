use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const UNITS: [(u64, char); 4] = [(1 << 40, 't'), (1 << 30, 'g'), (1 << 20, 'm'), (1 << 10, 'k')];

/// A number of bytes, written as people write it: `4g`, `512m`, or a plain number. Units are powers of 1,024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// Returns a size of so many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns a size of so many MiB.
    #[must_use]
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// Writes the largest unit that divides the number.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.into_iter().find(|(unit, _)| self.0 > 0 && self.0.is_multiple_of(*unit)) {
            Some((unit, letter)) => write!(f, "{}{letter}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(64).collect();
        let wrong = || {
            format!(
                "{shown:?} is not a size: use a number with or without k, m, g or t, for example 4g or 512m"
            )
        };
        let (number, unit) = match text.char_indices().next_back() {
            Some((at, last)) if last.is_ascii_alphabetic() => {
                let letter = last.to_ascii_lowercase();
                let unit = UNITS.into_iter().find(|(_, known)| *known == letter).ok_or_else(wrong)?;
                (&text[..at], unit.0)
            }
            _ => (text, 1),
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        bytes.map(Self).ok_or_else(|| format!("{shown:?} is larger than any machine"))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"4g\", or a number of bytes")
            }

            fn visit_u64<E>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// A number of processors, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus {
    millis: u32,
}

impl Cpus {
    /// Returns so many thousandths of a processor.
    #[must_use]
    pub const fn from_millis(millis: u32) -> Self {
        Self { millis }
    }

    /// Returns the number of thousandths.
    #[must_use]
    pub const fn millis(self) -> u32 {
        self.millis
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.millis) / 1_000.0)
    }
}

impl Serialize for Cpus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.millis.is_multiple_of(1_000) {
            serializer.serialize_u32(self.millis / 1_000)
        } else {
            serializer.serialize_f64(f64::from(self.millis) / 1_000.0)
        }
    }
}

impl<'de> Deserialize<'de> for Cpus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cpus = f64::deserialize(deserializer)?;
        let millis = (cpus * 1_000.0).round();
        // More than any machine has; the bounds of a profile are narrower.
        if !(0.0..=4_000_000_000.0).contains(&millis) {
            return Err(de::Error::custom(format!("{cpus} is not a number of processors")));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is within the range of u32"
        )]
        Ok(Self { millis: millis as u32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_as_people_write_them() {
        for (text, bytes, written) in [
            ("0", 0, "0"),
            ("4g", 4 << 30, "4g"),
            ("4096M", 4 << 30, "4g"),
            ("512m", 512 << 20, "512m"),
            ("2047m", 2_047 << 20, "2047m"),
            ("1025", 1_025, "1025"),
            ("64T", 64 << 40, "64t"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, written), "{text}");
        }
        for wrong in ["", "g", "4 g", "4gb", "-1", "1.5g", "4ö", "99999999999999999999", "99999999999t"] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
        assert_eq!(serde_json::from_str::<ByteSize>("1073741824").unwrap().to_string(), "1g");
    }

    #[test]
    fn processors_are_numbers_down_to_thousandths() {
        for (text, millis, written) in
            [("4", 4_000, "4"), ("1.5", 1_500, "1.5"), ("0.0104", 10, "0.01"), ("2.0", 2_000, "2")]
        {
            let cpus: Cpus = serde_json::from_str(text).unwrap();
            assert_eq!(
                (cpus.millis(), serde_json::to_string(&cpus).unwrap().as_str()),
                (millis, written),
                "{text}"
            );
        }
        assert!(
            serde_json::from_str::<Cpus>("-1").is_err() && serde_json::from_str::<Cpus>("1e300").is_err()
        );
    }
}
