//! The `eos-rdma` executable.
//!
//! It has a `main` of C's kind, so that Rust's start-up code does not run: that would ignore
//! SIGPIPE, catch SIGSEGV and open missing standard descriptors, and the program that this process
//! is going to host must find all of them as it would natively. On glibc the arguments are known
//! to `std::env` all the same.
#![no_main]

use std::ffi::{c_char, c_int};

/// Entry point, called by the C library.
// SAFETY: the one symbol of this name in the executable, with the signature that C expects.
#[unsafe(no_mangle)]
pub extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    eos_cli::main()
}
