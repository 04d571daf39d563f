//! A peer that needs its memory asks for slabs, and is told how that goes.
//!
//! The node that executes asks each peer now and then what it wants back; a peer that is parked cannot speak first. Messages (little
//! endian): `DEMAND` tag u8, [`Progress`] u8; `DEMAND_REPLY` tag u8, slabs wanted back u64, replicas that the peer has dropped u64;
//! `RETIRE` tag u8, whether it lends nothing any more u8.

use eos_verbs::NodeId;

use crate::entry::State;
use crate::error::PagerError;
use crate::kernel;
use crate::page::{PageNumber, PageRange};
use crate::pager::Pager;

/// First byte of the question.
pub const DEMAND: u8 = 6;
/// First byte of the answer.
pub const DEMAND_REPLY: u8 = 7;

/// First byte of a message that a peer is to lend nothing any more (1), or may again (0); no answer.
pub const RETIRE: u8 = 8;

const REPLY_BYTES: usize = 17;

/// How it goes with the slabs that a peer wants back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Progress {
    /// Nothing is known to be wanted.
    #[default]
    Idle = 0,
    /// Pages are moving.
    Moving = 1,
    /// Neither this node nor any other has room for them.
    NoRoom = 2,
    /// A device holds the memory until the run ends.
    Pinned = 3,
}

impl Progress {
    /// Of a byte that came from another process.
    #[must_use]
    pub fn from_byte(byte: u8) -> Self {
        [Self::Idle, Self::Moving, Self::NoRoom, Self::Pinned].get(usize::from(byte)).copied().unwrap_or_default()
    }
}

impl Pager {
    /// Asks `node`, which is parked, what it wants back, and tells it how that goes. Its book says the answer (`owed`).
    ///
    /// # Errors
    /// The wire failed, or the answer makes no sense.
    pub fn ask_demand(&mut self, node: NodeId, progress: Progress) -> Result<(), PagerError> {
        self.link(node).send(&[&[DEMAND, progress as u8]])?;
        let reply = self.wait_reply(node, DEMAND_REPLY)?;
        let reply: Option<[u8; REPLY_BYTES]> = reply.try_into().ok();
        let Some(reply) = reply else {
            return Err(self.nonsense(node, "answer about its memory"));
        };
        let number = |at: usize| u64::from_le_bytes(reply[at..at + 8].try_into().expect("eight bytes"));
        let book = &mut self.nodes[node.index()];
        book.owed = number(1);
        book.resident = book.resident.saturating_sub(number(9));
        if book.owed == 0 {
            self.keep(node);
        }
        Ok(())
    }

    /// Slabs that whoever this node's memory belongs to wants back. The book says so too.
    pub fn own_demand(&mut self) -> u32 {
        let owed = self.lender.owed();
        self.here().owed = owed.into();
        owed
    }

    /// Whether slabs of `node` can go back before the run ends.
    #[must_use]
    pub fn can_drain(&self, node: NodeId) -> bool {
        self.takes_back(node)
    }

    /// Has `node`, which is parked, want all its memory back for good, or for as long as it lasts.
    ///
    /// # Errors
    /// The wire failed.
    pub fn retire(&mut self, node: NodeId, gone: bool) -> Result<(), PagerError> {
        self.link(node).send(&[&[RETIRE, u8::from(gone)]])?;
        self.nodes[node.index()].exhausted = gone;
        self.ask_demand(node, Progress::Idle)
    }

    pub(crate) fn serve_retire(&mut self, from: NodeId, message: &[u8]) -> Result<(), PagerError> {
        let &[_, gone] = message else {
            return Err(self.nonsense(from, "word about its memory"));
        };
        self.lender.retire(gone != 0);
        Ok(())
    }

    pub(crate) fn serve_demand(&mut self, from: NodeId, message: &[u8]) -> Result<(), PagerError> {
        let &[_, progress] = message else {
            return Err(self.nonsense(from, "question about memory"));
        };
        self.lender.hears(Progress::from_byte(progress));
        let owed = self.lender.owed();
        let dropped = if owed > 0 { self.drop_replicas()? } else { 0 };
        self.link(from).send(&[&[DEMAND_REPLY], &u64::from(owed).to_le_bytes(), &dropped.to_le_bytes()])?;
        Ok(())
    }

    /// Copies of file data take memory too, and concern nobody else. Returns how many pages there were.
    fn drop_replicas(&mut self) -> Result<u64, PagerError> {
        let mut replicas: Vec<PageNumber> = Vec::new();
        self.table.scan(PageRange::APP, |page, entry| {
            if entry.state() == State::Replica {
                replicas.push(page);
            }
        });
        for page in &replicas {
            kernel::drop_pages(PageRange::single(*page)).map_err(|source| self.kernel("dropping pages", source))?;
            let _ = self.table.update(*page, |entry| Some(entry.cleared()));
        }
        self.here().resident -= replicas.len() as u64;
        Ok(replicas.len() as u64)
    }
}
