//! The elastic page table of the program's memory, and what surrounds it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`page`] | page numbers, page ranges, bounds of the program's half |
//! | [`entry`] | one entry of the table: where a page is |
//! | [`protocol`] | the legal changes of an entry, and push and pull as changes of it |
//! | [`table`] | the flat table of all entries |
//! | [`slots`] | which slots of a node's region are lent, and which of them taken |
//! | [`slabs`] | how they are leased and given back |
//! | [`demand`], [`drain`] | how a peer asks for them, and how they are emptied |
//! | [`layout`] | which addresses are mapped, and how |
//! | [`layout_op`] | one change of that |
//! | [`layout_log`] | the changes of that, for nodes to follow |
//! | [`changes`] | which entries each other node does not know yet |
//! | [`placement`] | entries of many pages in few bytes |
//!
//! Built with `--cfg loom` the crate has only the modules that the loom model needs.

pub mod entry;
pub mod page;
pub mod protocol;
pub mod sync;

#[cfg(not(loom))]
pub mod changes;
#[cfg(not(loom))]
pub mod layout;
#[cfg(not(loom))]
pub mod layout_log;
#[cfg(not(loom))]
pub mod layout_op;
#[cfg(not(loom))]
pub mod placement;
#[cfg(not(loom))]
pub mod slabs;
#[cfg(not(loom))]
pub mod slots;
#[cfg(not(loom))]
mod sparse;
#[cfg(not(loom))]
mod swap;
#[cfg(not(loom))]
pub mod table;
#[cfg(not(loom))]
mod transit;

#[cfg(not(loom))]
mod adopt;
#[cfg(not(loom))]
mod ahead;
#[cfg(not(loom))]
pub mod audit;
#[cfg(not(loom))]
mod buffers;
#[cfg(not(loom))]
mod contract;
#[cfg(not(loom))]
pub mod counters;
#[cfg(not(loom))]
pub mod demand;
#[cfg(not(loom))]
pub mod drain;
#[cfg(not(loom))]
pub mod error;
#[cfg(not(loom))]
pub mod fault;
#[cfg(not(loom))]
pub mod fetch;
#[cfg(not(loom))]
mod file_copy;
#[cfg(not(loom))]
pub mod handover;
#[cfg(not(loom))]
mod handover_wire;
#[cfg(not(loom))]
mod held;
#[cfg(not(loom))]
pub mod histogram;
#[cfg(not(loom))]
pub mod homecoming;
#[cfg(not(loom))]
pub mod kernel;
#[cfg(not(loom))]
pub mod late;
#[cfg(not(loom))]
mod many;
#[cfg(not(loom))]
pub mod offspring;
#[cfg(not(loom))]
pub mod pager;
#[cfg(not(loom))]
mod push;
#[cfg(not(loom))]
mod relocate;
#[cfg(not(loom))]
mod room;
#[cfg(not(loom))]
mod shadow;
#[cfg(not(loom))]
pub mod space;
#[cfg(not(loom))]
pub mod uffd;
#[cfg(not(loom))]
mod unreadable;
#[cfg(not(loom))]
mod victims;
#[cfg(not(loom))]
mod window;
#[cfg(not(loom))]
pub mod witness;
