//! Sizes as people write them: `256M`, `2G`, `1.5GiB`, `4096`.

use std::fmt;

/// Why a size could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// The number in front of the unit is missing or no number.
    #[error("\"{0}\" is not a size; write a number with a unit, as in 256M or 2G")]
    Number(String),
    /// The letters after the number are no unit.
    #[error("\"{0}\" has an unknown unit; use K, M, G or T (powers of 1024) or KB, MB, GB, TB (powers of 1000)")]
    Unit(String),
    /// More than 2^63 bytes, or nothing at all.
    #[error("\"{0}\" is out of range; a size is at least 1 byte and at most 2^63")]
    Range(String),
}

/// Reads a size in bytes. `K M G T` and `KiB MiB GiB TiB` are powers of 1024, as with `ulimit`,
/// `dd` and `qemu`; `KB MB GB TB` are powers of 1000; no unit means bytes. Case does not matter.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let unit = unit_bytes(unit.trim()).ok_or_else(|| SizeError::Unit(text.to_owned()))?;
    let bytes = scale(number, unit).ok_or_else(|| SizeError::Number(text.to_owned()))?;
    if bytes == 0 || bytes > 1 << 63 {
        return Err(SizeError::Range(text.to_owned()));
    }
    Ok(bytes as u64)
}

fn unit_bytes(unit: &str) -> Option<u128> {
    Some(match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KIB" => 1 << 10,
        "M" | "MIB" => 1 << 20,
        "G" | "GIB" => 1 << 30,
        "T" | "TIB" => 1 << 40,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    })
}

/// `number * unit`, exactly: up to six digits after the point, no floating point.
fn scale(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 20 || fraction.len() > 6 {
        return None;
    }
    let digits = |text: &str| match text {
        "" => Some(0),
        _ => text.parse::<u128>().ok(),
    };
    let denominator = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let numerator = digits(whole)? * denominator + digits(fraction)?;
    Some(numerator * unit / denominator)
}

/// Shows bytes with a binary unit, one digit after the point unless it is zero: `256 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        for (unit, shift) in UNITS {
            if self.0 >> shift != 0 {
                let tenths = (u128::from(self.0) * 10 + (1 << (shift - 1))) >> shift;
                return match tenths % 10 {
                    0 => write!(f, "{} {unit}", tenths / 10),
                    tenth => write!(f, "{}.{tenth} {unit}", tenths / 10),
                };
            }
        }
        write!(f, "{} B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let cases = [
            ("4096", 4096),
            ("256M", 256 << 20),
            ("256m", 256 << 20),
            ("2 GiB", 2 << 30),
            ("1.5G", 3 << 29),
            (".5K", 512),
            ("1T", 1 << 40),
            ("10MB", 10_000_000),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_reason() {
        for text in ["", "M", ".", "1.2.3M", "-1", "0", "1X", "9999999999T", "1.0000001G"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_with_a_binary_unit() {
        let cases = [(17, "17 B"), (4096, "4 KiB"), (256 << 20, "256 MiB"), (3 << 29, "1.5 GiB")];
        for (bytes, text) in cases {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
