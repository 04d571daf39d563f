//! Traces of runs, and what other policies would have made of them. Pure: bytes and numbers in, numbers out.
//!
//! | module | about |
//! |---|---|
//! | [`trace`] | the file format, encoder and decoder |
//! | [`varint`] | numbers in few bytes |
//! | [`accesses`] | what a trace says about the touches of the program |
//! | [`cache`] | one node: which page leaves, by several policies |
//! | [`queue`] | queues that pages can be taken out of |
//! | [`world`] | several nodes: pulls, pushes, jumps, and what they cost |

pub mod accesses;
pub mod cache;
mod optimum;
pub mod queue;
pub mod trace;
pub mod varint;
pub mod world;
