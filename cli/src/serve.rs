//! `eos-rdma serve`.

use crate::args::{MemoryArg, ServeArgs};
use crate::error::CliError;
use crate::run::load_key;
use eos_jumper::cluster::dial::resolve;
use eos_jumper::cluster::hosts::parse_address;
use eos_jumper::cluster::serve::{self, ServeOptions};
use eos_jumper::spare::{Spare, reserve};
use std::net::SocketAddr;

/// Serves until a signal says stop.
pub fn serve(args: ServeArgs) -> Result<(), CliError> {
    let total = || Spare::open().and_then(|spare| spare.total()).map_err(CliError::FreeMemory);
    let (memory_bytes, keep_free) = match args.memory {
        Some(MemoryArg::Bytes(bytes)) => (bytes, args.keep_free),
        Some(MemoryArg::Percent(percent)) => (total()? / 100 * u64::from(percent), args.keep_free),
        None => (total()?, Some(args.keep_free.unwrap_or(reserve(total()?)))),
    };
    Ok(serve::serve(ServeOptions {
        listen: listen_address(&args.listen)?,
        memory_bytes,
        keep_free,
        key: load_key(args.key.as_deref())?,
        worker_exe: None,
    })?)
}

/// Port 0 is allowed here, unlike in a hosts file.
fn listen_address(text: &str) -> Result<SocketAddr, CliError> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) =
        parse_address(text).map_err(|error| CliError::Listen { listen: text.to_owned(), what: error.to_string() })?;
    Ok(resolve(text, &host, port)?[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_has_the_usual_port_unless_it_says_another() {
        let cases = [
            ("10.0.0.2", "10.0.0.2:7471"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]", "[::1]:7471"),
            ("0.0.0.0:80", "0.0.0.0:80"),
        ];
        for (text, address) in cases {
            let parsed = listen_address(text).expect(text);
            assert_eq!(parsed.to_string(), address);
        }
        assert!(listen_address("a b").is_err());
    }
}
