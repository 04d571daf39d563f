//! Back on the node that executes the app: the answer goes to its memory.

use super::pieces::{cut, rest, vector};
use super::wire::{Reply, Segment};
use super::{ApplyError, ForwardError, Refusal};
use crate::gateway::{Call, Dir, GuestMemory, Ranges, ranges, write_prefix};

/// Writes what the kernel wrote to the app's memory and returns the raw result (a value or `-errno`) of `call(args)`. To be
/// called in the trap handler that encoded the call.
///
/// # Errors
///
/// [`ApplyError::Fault`] when the app's pointer is bad: the app gets `EFAULT`. [`ApplyError::Reply`] when the reply makes no
/// sense; the app's memory may be changed in part then.
pub fn apply(reply: &[u8], call: &Call, args: &[u64; 6], mem: &mut dyn GuestMemory) -> Result<i64, ApplyError> {
    apply_rest(reply, call, args, 0, mem)
}

/// [`apply`] for the answer to [`encode_rest`](super::encode_rest) with the same `done`. The result is that of this piece.
///
/// # Errors
///
/// Those of [`apply`]. With `done > 0` the app's answer to a fault is then `done`.
pub fn apply_rest(
    reply: &[u8],
    call: &Call,
    args: &[u64; 6],
    done: u64,
    mem: &mut dyn GuestMemory,
) -> Result<i64, ApplyError> {
    let reply = Reply::decode(reply)?;
    if let Some((arg, count, Dir::Out)) = call.vector() {
        let [segment] = reply.segments() else {
            return if reply.segments().is_empty() { Ok(reply.result) } else { Err(wrong(call)) };
        };
        return scatter(call, segment, (args[arg], args[count]), done, mem);
    }
    let mut args = rest(call, args, done);
    cut(call, &mut args).map_err(|_| wrong(call))?;
    let mut found = Ranges::new();
    if !reply.segments().is_empty() {
        ranges(call, &args, mem, &mut found)?;
    }
    let mut result = reply.result;
    for segment in reply.segments() {
        let fits = |range: &&crate::gateway::Range| {
            range.arg == Some(segment.arg) && range.dir == segment.dir && range.len >= u64::from(segment.len)
        };
        let range = found.as_slice().iter().find(fits).ok_or_else(|| wrong(call))?;
        match call.transfer() {
            // A read into a buffer that ends in unmapped memory gets what fits, like from the kernel.
            Some((buffer, ..)) if buffer == usize::from(segment.arg) => {
                result = write_prefix(mem, range.addr, segment.bytes)? as i64;
            }
            _ => mem.write(range.addr, segment.bytes)?,
        }
    }
    Ok(result)
}

/// Writes one flattened buffer to those of the app's iovec array. Returns how many bytes fitted.
fn scatter(
    call: &Call,
    segment: &Segment<'_>,
    array: (u64, u64),
    done: u64,
    mem: &mut dyn GuestMemory,
) -> Result<i64, ApplyError> {
    let vector = vector(mem, array, Dir::Out, done).map_err(|refusal| match refusal {
        Refusal::Fault(fault) => fault.into(),
        Refusal::Home => wrong(call),
    })?;
    if segment.dir != Dir::Out || u64::from(segment.len) > vector.len {
        return Err(wrong(call));
    }
    let mut bytes = segment.bytes;
    for range in vector.buffers.as_slice() {
        let here = bytes.len().min(range.len as usize);
        match write_prefix(mem, range.addr, &bytes[..here]) {
            Ok(n) => {
                bytes = &bytes[n..];
                if n < here {
                    break;
                }
            }
            Err(fault) if bytes.len() == segment.bytes.len() => return Err(fault.into()),
            Err(_) => break,
        }
    }
    Ok((segment.bytes.len() - bytes.len()) as i64)
}

fn wrong(call: &Call) -> ApplyError {
    ForwardError::Buffers { name: call.name }.into()
}
