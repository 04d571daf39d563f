//! Reading: a file becomes events in the order of time.

use super::super::varint;
use super::{BLOCK_HEADER_BYTES, Event, Header, Last, TraceError, What};

/// A trace in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// About the run.
    pub header: Header,
    /// All events with the node that executed, in the order of time.
    pub events: Vec<(u8, Event)>,
    /// The file ends in the middle of a block.
    pub truncated: bool,
}

impl Trace {
    /// Reads a whole file.
    ///
    /// # Errors
    /// The header is missing, or of another version. What follows it is read as far as it goes.
    pub fn decode(bytes: &[u8]) -> Result<Trace, TraceError> {
        let (header, mut rest) = Header::decode(bytes)?;
        let mut events = Vec::new();
        let mut truncated = false;
        while !rest.is_empty() && !truncated {
            let Some((head, body)) = rest.split_at_checked(BLOCK_HEADER_BYTES) else {
                truncated = true;
                break;
            };
            let length = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
            let start_ns = u64::from_le_bytes(head[8..].try_into().expect("eight bytes"));
            let block = &body[..length.min(body.len())];
            truncated = decode_block(block, head[4], start_ns, &mut events).is_none() || length > body.len();
            rest = &body[block.len()..];
        }
        // blocks of two nodes may have reached the file in another order
        events.sort_by_key(|(_, event)| event.at_ns);
        Ok(Trace { header, events, truncated })
    }
}

/// Appends a block's events; `None` if the last is cut short.
fn decode_block(mut bytes: &[u8], node: u8, start_ns: u64, events: &mut Vec<(u8, Event)>) -> Option<()> {
    let mut last = Last { page: 0, end_ns: start_ns };
    while !bytes.is_empty() {
        let event = decode_event(&mut bytes, last)?;
        last = Last { page: event.page.wrapping_add(event.pages), end_ns: event.at_ns.saturating_add(event.took_ns) };
        events.push((node, event));
    }
    Some(())
}

fn decode_event(bytes: &mut &[u8], last: Last) -> Option<Event> {
    let tag = take_byte(bytes)?;
    let page = last.page.wrapping_add_signed(varint::unfold(varint::take(bytes)?));
    let pages = if tag >> 4 & 1 == 1 { 1 } else { varint::take(bytes)? };
    let what = match tag & 7 {
        0 => What::Pull(take_byte(bytes)?),
        1 => What::Slot,
        2 => What::Fresh,
        3 => What::Upgrade,
        4 => What::Push(take_byte(bytes)?),
        5 => What::Arrive(take_byte(bytes)?),
        _ => return None,
    };
    let at_ns = last.end_ns.saturating_add(varint::take(bytes)?);
    Some(Event { at_ns, took_ns: varint::take(bytes)?, page, pages, write: tag >> 3 & 1 == 1, what })
}

fn take_byte(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}
