//! One entry of the page table: where a page of the program is.
//!
//! | bits | meaning |
//! |---|---|
//! | 0-3 | [`State`] |
//! | 4 | CLEAN: the slot named below holds the same bytes as the resident page, which is write-protected |
//! | 5 | unused |
//! | 6 | QUEUED: has a place in the queues of victims of this node |
//! | 7 | NOREAD: the bytes may not be read in place (`PROT_NONE`, or `PROT_EXEC` alone), the contents remain |
//! | 8-11 | owner: the node on which a Resident page is |
//! | 12-15 | node of the slot |
//! | 16-31 | stale mask: bit k says that node k does not know this entry yet |
//! | 32-63 | index of the slot in that node's region |
//!
//! | state | invariant |
//! |---|---|
//! | Absent | No copy anywhere; the first touch is zero-filled (or is an error, as the layout says). No slot. The value 0 is Absent with nothing else to say. |
//! | Resident | The one copy is mapped on the owner. No slot unless CLEAN. CLEAN: the slot is taken and equal; the mapping is write-protected. |
//! | Pushing | A thread of this node is moving the page out, or dropping it since it is clean. The slot is taken. The mapping is write-protected or gone. Whoever faults waits. |
//! | Pulling | A thread of this node is bringing the page in, or making a clean page writable. CLEAN set: the slot is taken and has the bytes; not set: they are in the owner's memory, or if the owner is this node, in the bounce buffer of that thread and nowhere else. Whoever faults waits. |
//! | Remote | The one copy is in the slot; no node has the page mapped. |
//! | Replica | This node has a read-only copy of file data mapped. Says nothing of other nodes, is never told to them; dropped at will. No slot. |
//!
//! QUEUED and Replica concern one node only; the rest is the truth of the whole run on the node that executes.

use eos_verbs::NodeId;

/// Most nodes that an entry can name.
pub const NODES: usize = 16;

const STATE: u64 = 0xf;
const CLEAN: u64 = 1 << 4;
const QUEUED: u64 = 1 << 6;
const NOREAD: u64 = 1 << 7;
const OWNER_SHIFT: u32 = 8;
const SLOT_NODE_SHIFT: u32 = 12;
const NODE: u64 = 0xf;
const STALE_SHIFT: u32 = 16;
const STALE: u64 = 0xffff << STALE_SHIFT;
const INDEX_SHIFT: u32 = 32;
const SLOT: u64 = (NODE << SLOT_NODE_SHIFT) | (0xffff_ffff << INDEX_SHIFT);

/// Where a page is, or what is being done to it. The module's table has each state's invariant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum State {
    /// Nowhere: never touched, or given back.
    Absent = 0,
    /// Mapped on its owner.
    Resident = 1,
    /// On its way out of this node.
    Pushing = 2,
    /// On its way into this node.
    Pulling = 3,
    /// In a slot of a region.
    Remote = 4,
    /// A read-only copy of file data on this node.
    Replica = 5,
}

/// One slot (of one page) of one node's region.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SlotRef {
    /// Whose region.
    pub node: NodeId,
    /// Which slot; its bytes start at `index * PAGE`.
    pub index: u32,
}

impl SlotRef {
    /// Byte offset of the slot in its region.
    #[must_use]
    pub const fn offset(self) -> u64 {
        (self.index as u64) << crate::page::PAGE_SHIFT
    }
}

/// One entry of the page table. A plain value; the table holds it in an atomic.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Entry(u64);

impl Entry {
    /// Nothing known, nothing to tell: the entry of an untouched page.
    pub const ABSENT: Self = Self(0);

    /// A page mapped on `owner`, without a slot.
    #[must_use]
    pub const fn resident(owner: NodeId) -> Self {
        Self::ABSENT.with_state(State::Resident).with_owner(owner)
    }

    /// A page whose one copy is in `slot`.
    #[must_use]
    pub const fn remote(slot: SlotRef) -> Self {
        Self::ABSENT.with_state(State::Remote).with_slot(slot)
    }

    /// The entry of raw bits that came out of this process's own table.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The entry of raw bits from outside; `None` if no such state exists.
    #[must_use]
    pub const fn from_untrusted(raw: u64) -> Option<Self> {
        if raw & STATE <= State::Replica as u64 { Some(Self(raw)) } else { None }
    }

    /// The raw bits.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The state.
    ///
    /// # Panics
    /// If the state bits hold none of the six: memory of the runtime was overwritten.
    #[must_use]
    pub const fn state(self) -> State {
        match self.0 & STATE {
            0 => State::Absent,
            1 => State::Resident,
            2 => State::Pushing,
            3 => State::Pulling,
            4 => State::Remote,
            5 => State::Replica,
            _ => panic!("a page table entry holds no state: the runtime's memory was overwritten"),
        }
    }

    /// Whether nobody is moving the page.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        !matches!(self.state(), State::Pushing | State::Pulling)
    }

    /// The node on which a Resident page is; for Pulling without CLEAN, the node where the bytes are.
    #[must_use]
    pub const fn owner(self) -> NodeId {
        NodeId(((self.0 >> OWNER_SHIFT) & NODE) as u8)
    }

    /// Whether the page is mapped on `node`, as its one copy.
    #[must_use]
    pub const fn is_resident_on(self, node: NodeId) -> bool {
        matches!(self.state(), State::Resident) && self.owner().0 == node.0
    }

    /// The slot that this page holds: of Remote and Pushing always, of Resident and Pulling if CLEAN.
    #[must_use]
    pub const fn slot(self) -> Option<SlotRef> {
        let held = match self.state() {
            State::Remote | State::Pushing => true,
            State::Resident | State::Pulling => self.is_clean(),
            State::Absent | State::Replica => false,
        };
        if !held {
            return None;
        }
        let node = NodeId(((self.0 >> SLOT_NODE_SHIFT) & NODE) as u8);
        Some(SlotRef { node, index: (self.0 >> INDEX_SHIFT) as u32 })
    }

    /// CLEAN: the slot has the same bytes.
    #[must_use]
    pub const fn is_clean(self) -> bool {
        self.0 & CLEAN != 0
    }

    /// QUEUED: has a place in this node's queues.
    #[must_use]
    pub const fn queued(self) -> bool {
        self.0 & QUEUED != 0
    }

    /// NOREAD: has contents that may not be read in place.
    #[must_use]
    pub const fn noread(self) -> bool {
        self.0 & NOREAD != 0
    }

    /// Bit k is set if node k does not know this entry yet.
    #[must_use]
    pub const fn stale_mask(self) -> u16 {
        (self.0 >> STALE_SHIFT) as u16
    }

    /// With another state; all else as it was.
    #[must_use]
    pub const fn with_state(self, state: State) -> Self {
        Self((self.0 & !STATE) | state as u64)
    }

    /// With another owner.
    #[must_use]
    pub const fn with_owner(self, owner: NodeId) -> Self {
        debug_assert!((owner.0 as usize) < NODES);
        Self((self.0 & !(NODE << OWNER_SHIFT)) | ((owner.0 as u64 & NODE) << OWNER_SHIFT))
    }

    /// With this slot. Does not touch CLEAN, without which a Resident page has no slot.
    #[must_use]
    pub const fn with_slot(self, slot: SlotRef) -> Self {
        debug_assert!((slot.node.0 as usize) < NODES);
        let node = (slot.node.0 as u64 & NODE) << SLOT_NODE_SHIFT;
        Self((self.0 & !SLOT) | node | ((slot.index as u64) << INDEX_SHIFT))
    }

    /// Without slot, and so without CLEAN.
    #[must_use]
    pub const fn without_slot(self) -> Self {
        Self(self.0 & !(SLOT | CLEAN))
    }

    /// With CLEAN set or not.
    #[must_use]
    pub const fn with_clean(self, on: bool) -> Self {
        self.with_flag(CLEAN, on)
    }

    /// With QUEUED set or not.
    #[must_use]
    pub const fn with_queued(self, on: bool) -> Self {
        self.with_flag(QUEUED, on)
    }

    /// With NOREAD set or not.
    #[must_use]
    pub const fn with_noread(self, on: bool) -> Self {
        self.with_flag(NOREAD, on)
    }

    /// With this stale mask.
    #[must_use]
    pub const fn with_stale_mask(self, mask: u16) -> Self {
        Self((self.0 & !STALE) | ((mask as u64) << STALE_SHIFT))
    }

    /// Absent, keeping only what is not about the page's place: QUEUED and the stale mask.
    #[must_use]
    pub const fn cleared(self) -> Self {
        Self(self.0 & (QUEUED | STALE))
    }

    const fn with_flag(self, flag: u64, on: bool) -> Self {
        Self(if on { self.0 | flag } else { self.0 & !flag })
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(entry) = Self::from_untrusted(self.0) else {
            return write!(f, "Entry({:#018x})", self.0);
        };
        write!(f, "{:?}@{}", entry.state(), self.owner().0)?;
        if let Some(slot) = self.slot() {
            write!(f, " slot {}:{}", slot.node.0, slot.index)?;
        }
        let flags = [("CLEAN", self.is_clean()), ("QUEUED", self.queued()), ("NOREAD", self.noread())];
        for (name, _) in flags.iter().filter(|(_, on)| *on) {
            write!(f, " {name}")?;
        }
        write!(f, " stale {:#06x}", self.stale_mask())
    }
}
