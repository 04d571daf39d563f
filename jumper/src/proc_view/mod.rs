//! What the program finds of itself in /proc.
//!
//! The process is the runtime and the program in one, so the kernel's files tell of both: addresses of the runtime's half, its threads,
//! its descriptors. Files that the program opens are copied without them; folders are listed without them. Other processes see the
//! kernel's own, with the program's name, arguments and environment ([`title`](crate::process::title)).
//!
//! Everything here is pure: [`names`] knows which paths are meant, [`mappings`], [`numbers`] and [`listing`] rewrite what the kernel says.

pub mod listing;
pub mod mappings;
pub mod names;
pub mod numbers;

pub use names::{File, Folder, folder, is_ours, own_file};
