//! At home: the deputy makes the call.

use super::ForwardError;
use super::staging::{Staging, check};
use super::wire::{CUT, Request, SEGMENTS_MAX, Segment, VECTOR, put_reply};
use crate::gateway::raw::{is_error, syscall6};
use crate::gateway::{Call, Dir, Pointer, Shape, lookup, ships};
use crate::own_fds::OwnFds;

/// Makes the call of `request` on buffers of `staging` and appends the answer to `reply`. Blocks as long as the call does. To
/// be called by the thread that the app's thread is at home, so that process, thread, descriptors and credentials are right.
///
/// # Errors
///
/// [`ForwardError`] when the request makes no sense; nothing was executed then and `reply` is as before. What the kernel
/// answers, errors included, is no error here. To the program, descriptors in `own_fds` are not open.
pub fn execute(
    request: &[u8],
    own_fds: &OwnFds,
    staging: &mut Staging,
    reply: &mut Vec<u8>,
) -> Result<(), ForwardError> {
    let (request, call) = validate(request)?;
    if own_fds.named_by(call.number, &request.args) {
        put_reply(reply, -i64::from(libc::EBADF), false, &[]);
        return Ok(());
    }
    let args = staging.place(&request);
    // SAFETY: `check` found that every pointer that the kernel follows for this call has a buffer of `staging` of the right
    // size, which `place` put in its argument; `ships` lets no call through that maps memory or ends or clones a thread.
    let result = unsafe { syscall6(request.number, args) };
    let more = request.flags & CUT != 0 && goes_on(call, &request, result);
    let mut segments = [Segment { arg: 0, dir: Dir::In, len: 0, bytes: &[] }; SEGMENTS_MAX];
    let mut count = 0;
    for (index, segment) in request.segments().iter().enumerate() {
        let len = written(call, segment, result);
        if len > 0 {
            let bytes = &staging.bytes(request.segments(), index)[..len];
            segments[count] = Segment { len: len as u32, bytes, ..*segment };
            count += 1;
        }
    }
    put_reply(reply, result, more, &segments[..count]);
    Ok(())
}

/// Decodes a request and checks everything about it, short of making the call.
pub(super) fn validate(request: &[u8]) -> Result<(Request<'_>, &'static Call), ForwardError> {
    let request = Request::decode(request)?;
    let call = lookup(request.number).filter(|call| ships(call, &request.args));
    let call = call.ok_or(ForwardError::NotShipped { number: request.number })?;
    check(call, &request)?;
    Ok((request, call))
}

/// How many bytes of the segment to send back.
fn written(call: &Call, segment: &Segment<'_>, result: i64) -> usize {
    let len = segment.len as usize;
    match segment.dir {
        Dir::In => 0,
        Dir::InOut => len,
        Dir::Out if is_error(result) => 0,
        Dir::Out => match unit_of_result(call, segment.arg) {
            Some(unit) => (result as usize).saturating_mul(unit).min(len),
            None => len,
        },
    }
}

/// Bytes that each unit of the result stands for in the buffer at `arg`, where the result counts what was filled.
fn unit_of_result(call: &Call, arg: u8) -> Option<usize> {
    call.pointers.iter().find_map(|pointer| match *pointer {
        Pointer::Out(at, Shape::Rw(_) | Shape::Got(_)) if at == arg => Some(1),
        Pointer::Out(at, Shape::GotItems(_, size)) if at == arg => Some(size as usize),
        Pointer::IovOut(at, _) if at == arg => Some(1),
        _ => None,
    })
}

/// After a piece of a longer read or write was moved in full, would the kernel have gone on? It does when writing, and when
/// reading what can neither block nor end a message.
fn goes_on(call: &Call, request: &Request<'_>, result: i64) -> bool {
    let transfer = if request.flags & VECTOR != 0 { call.vector() } else { call.transfer() };
    let Some((arg, _, dir)) = transfer else {
        return false;
    };
    let shipped = request.segments().iter().find(|segment| usize::from(segment.arg) == arg);
    shipped.is_some_and(|segment| i64::from(segment.len) == result)
        && (dir == Dir::In || is_file_or_block_device(request.args[0]))
}

fn is_file_or_block_device(fd: u64) -> bool {
    let mut stat = [0_u64; size_of::<libc::stat>() / 8];
    // SAFETY: fstat writes one `struct stat`, for which `stat` has the size and alignment.
    let result = unsafe { syscall6(libc::SYS_fstat as u64, [fd, stat.as_mut_ptr() as u64, 0, 0, 0, 0]) };
    let kind = stat[std::mem::offset_of!(libc::stat, st_mode) / 8] as u32 & libc::S_IFMT;
    result == 0 && (kind == libc::S_IFREG || kind == libc::S_IFBLK)
}

const _: () = assert!(std::mem::offset_of!(libc::stat, st_mode) % 8 == 0);
