//! What the six programs share: their command line and their last line of output.

use std::time::Instant;

use clap::Parser;

use crate::workload::Workload;

/// Bytes from a size such as `512M`, `2G`, `64KiB` or `4096`: powers of 1024 whatever the spelling of the unit.
///
/// # Errors
/// A sentence that says what a size looks like.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => {
            return Err(format!("`{unit}` is no unit of size; write for example 512M, 2G or 65536"));
        }
    };
    let number: f64 =
        number.parse().map_err(|_| format!("`{text}` is no size; write for example 512M, 2G or 65536"))?;
    Ok((number * (1u64 << shift) as f64) as u64)
}

fn parse_footprint(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    if bytes < MIN_FOOTPRINT_BYTES {
        return Err("the smallest size is 64K".to_owned());
    }
    Ok(bytes)
}

/// Below this the arrays have too few elements to hold the footprint to 2 %.
const MIN_FOOTPRINT_BYTES: u64 = 64 << 10;

/// Command line of every workload.
#[derive(Parser, Debug)]
#[command(version)]
struct Options {
    /// Memory that the data takes, all arrays together, as 512M or 2G (powers of 1024)
    #[arg(long, value_parser = parse_footprint, default_value = "512M")]
    size: u64,
    /// Seed of the generated data: same size and seed, same result
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs one workload as a program: generate, time the main phase, print `result=HEX seconds=S` as the last line.
///
/// `seconds` covers the main phase only: neither generating the data nor adding up the answer.
pub fn main<W: Workload>() {
    let options = Options::parse();
    let mut workload = W::generate(options.size, options.seed);
    let start = Instant::now();
    workload.run();
    let seconds = start.elapsed().as_secs_f64();
    println!("result={:016x} seconds={seconds:.6}", workload.checksum());
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_are_powers_of_1024_in_any_spelling() {
        assert_eq!(parse_size("512M"), Ok(512 << 20));
        assert_eq!(parse_size("512MiB"), Ok(512 << 20));
        assert_eq!(parse_size("2g"), Ok(2 << 30));
        assert_eq!(parse_size("1.5K"), Ok(1536));
        assert_eq!(parse_size("4096"), Ok(4096));
    }

    #[test]
    fn a_bad_size_is_explained() {
        assert!(parse_size("12 apples").is_err_and(|e| e.contains("apples") && e.contains("512M")));
        assert!(parse_size("").is_err());
        assert!(parse_size("-1M").is_err());
    }
}
