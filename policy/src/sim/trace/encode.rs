//! Writing: events of one node become a block.

use super::super::varint;
use super::{BLOCK_HEADER_BYTES, Event, Last};

/// Longest form of an event.
const EVENT_BYTES_MAX: usize = 2 + 4 * varint::BYTES_MAX;

/// Events of one node on their way into a block. Allocates when it is made, never again.
#[derive(Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
    capacity: usize,
    start_ns: Option<u64>,
    last: Last,
    lost: u64,
}

impl Encoder {
    /// Room for `capacity` bytes of events.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let bytes = Vec::with_capacity(capacity + BLOCK_HEADER_BYTES);
        Self { bytes, capacity, start_ns: None, last: Last::default(), lost: 0 }
    }

    /// Appends an event; if there is no room it is counted as lost.
    pub fn push(&mut self, event: &Event) {
        if self.bytes.len() + EVENT_BYTES_MAX > self.capacity {
            self.lost += 1;
            return;
        }
        if self.start_ns.is_none() {
            self.start_ns = Some(event.at_ns);
            self.last = Last { page: 0, end_ns: event.at_ns };
            self.bytes.resize(BLOCK_HEADER_BYTES, 0);
        }
        let (code, node) = event.what.code();
        let one = event.pages == 1;
        self.bytes.push(code | u8::from(event.write) << 3 | u8::from(one) << 4);
        varint::put(&mut self.bytes, varint::fold(event.page.wrapping_sub(self.last.page).cast_signed()));
        if !one {
            varint::put(&mut self.bytes, event.pages);
        }
        self.bytes.extend(node);
        varint::put(&mut self.bytes, event.at_ns.saturating_sub(self.last.end_ns));
        varint::put(&mut self.bytes, event.took_ns);
        let end_ns = event.at_ns.max(self.last.end_ns).saturating_add(event.took_ns);
        self.last = Last { page: event.page.wrapping_add(event.pages), end_ns };
    }

    /// Bytes of events so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Events that found no room.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The block with all events so far, of `node`; empty if there are none. Call [`clear`](Self::clear) once it is written.
    pub fn block(&mut self, node: u8) -> &[u8] {
        if let Some(start) = self.start_ns {
            let length = (self.bytes.len() - BLOCK_HEADER_BYTES) as u32;
            self.bytes[..4].copy_from_slice(&length.to_le_bytes());
            self.bytes[4..8].copy_from_slice(&u32::from(node).to_le_bytes());
            self.bytes[8..16].copy_from_slice(&start.to_le_bytes());
        }
        &self.bytes
    }

    /// The next event begins a new block.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.start_ns = None;
    }
}
