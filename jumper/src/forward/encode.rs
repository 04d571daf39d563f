//! On the node that executes the app: from a call to a request.

use super::pieces::{cut, rest, vector};
use super::wire::{CUT, SEGMENTS_MAX, Segment, VECTOR, put_request, shorten, shorten_segment};
use super::{BUFFERS_MAX, Refusal};
use crate::gateway::{Call, Dir, GuestMemory, Ranges, ranges, read_prefix, ships};

/// Appends to `into` a request for `call(args)` with all bytes that the kernel will read. To be called in the trap handler.
///
/// # Errors
///
/// [`Refusal::Home`] when a deputy cannot make this call; [`Refusal::Fault`] when the app passed a bad address. `into` is as
/// before then.
pub fn encode(call: &Call, args: &[u64; 6], mem: &mut dyn GuestMemory, into: &mut Vec<u8>) -> Result<(), Refusal> {
    encode_rest(call, args, 0, mem, into)
}

/// [`encode`] for what is left of a read- or write-like call of which `done` bytes were moved in earlier rounds. `args` are
/// the app's own in each round.
///
/// # Errors
///
/// Those of [`encode`]. With `done > 0` the app's answer is then `done`.
pub fn encode_rest(
    call: &Call,
    args: &[u64; 6],
    done: u64,
    mem: &mut dyn GuestMemory,
    into: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if !ships(call, args) {
        return Err(Refusal::Home);
    }
    let start = into.len();
    let encoded = match call.vector() {
        Some(iov) => encode_vector(call, args, iov, done, mem, into),
        None => encode_flat(call, args, done, mem, into),
    };
    encoded.inspect_err(|_| into.truncate(start))
}

fn encode_flat(
    call: &Call,
    args: &[u64; 6],
    done: u64,
    mem: &mut dyn GuestMemory,
    into: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let mut args = rest(call, args, done);
    let flags = if cut(call, &mut args)? { CUT } else { 0 };
    let mut found = Ranges::new();
    ranges(call, &args, mem, &mut found)?;
    let total = found.as_slice().iter().fold(0_u64, |sum, range| sum.saturating_add(range.len));
    if !found.flat() || total > BUFFERS_MAX || found.as_slice().len() > SEGMENTS_MAX {
        return Err(Refusal::Home);
    }
    let mut segments = [Segment { arg: 0, dir: Dir::In, len: 0, bytes: &[] }; SEGMENTS_MAX];
    for (segment, range) in segments.iter_mut().zip(found.as_slice()) {
        *segment = Segment { arg: range.arg.unwrap_or(0), dir: range.dir, len: range.len as u32, bytes: &[] };
    }
    let start = put_request(into, call.number, flags, &args, &segments[..found.as_slice().len()]);
    for (index, range) in found.as_slice().iter().enumerate().filter(|(_, range)| range.dir.reads()) {
        let at = into.len();
        into.resize(at + range.len as usize, 0);
        match call.transfer() {
            Some((buffer, len, _)) if range.arg == Some(buffer as u8) => {
                let n = read_prefix(mem, range.addr, &mut into[at..])?;
                if n < range.len as usize && done == 0 {
                    // Pipes, sockets and files differ in what they take of this: only the kernel knows.
                    return Err(Refusal::Home);
                }
                into.truncate(at + n);
                shorten(into, start, len, index, n as u32);
            }
            _ => mem.read(range.addr, &mut into[at..])?,
        }
    }
    Ok(())
}

/// The buffers become one segment, in the place of the array.
fn encode_vector(
    call: &Call,
    args: &[u64; 6],
    (arg, count, dir): (usize, usize, Dir),
    done: u64,
    mem: &mut dyn GuestMemory,
    into: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let vector = vector(mem, (args[arg], args[count]), dir, done)?;
    let flags = VECTOR | if vector.cut { CUT } else { 0 };
    let segment = Segment { arg: arg as u8, dir, len: vector.len as u32, bytes: &[] };
    let start = put_request(into, call.number, flags, &rest(call, args, done), &[segment]);
    let bytes_at = into.len();
    if !dir.reads() {
        return Ok(());
    }
    for range in vector.buffers.as_slice() {
        let at = into.len();
        into.resize(at + range.len as usize, 0);
        let read = read_prefix(mem, range.addr, &mut into[at..]);
        let n = read.or_else(|fault| if at > bytes_at { Ok(0) } else { Err(fault) })?;
        if n < range.len as usize && done == 0 {
            // Pipes, sockets and files differ in what they take of this: only the kernel knows.
            return Err(Refusal::Home);
        }
        into.truncate(at + n);
        if n < range.len as usize {
            break;
        }
    }
    let gathered = (into.len() - bytes_at) as u32;
    shorten_segment(into, start, 0, gathered);
    Ok(())
}
