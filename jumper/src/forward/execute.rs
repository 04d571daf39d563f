//! At home: the deputy makes the call.

use super::staging::{Staging, check};
use super::wire::{CUT, Reply, Request, SEGMENTS_MAX, Segment, VECTOR, put_reply};
use super::{ForwardError, SLEEPS, hasty};
use crate::gateway::raw::{is_error, syscall6};
use crate::gateway::{Call, Dir, Pointer, Shape, is_never_restarted, lookup, ships};
use crate::own_fds::OwnFds;
use crate::threads::Pending;
use crate::traps::interruptible;

/// How long a deputy may be at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As long as the call takes.
    Waits,
    /// All others wait meanwhile: a call that would sleep is not made, and the answer is [`SLEEPS`] or [`interruptible::RESTART`].
    Tries,
}

/// Makes the call of `request` on buffers of `staging` and appends the answer to `reply`. Blocks as long as the call does. To
/// be called by the thread that the app's thread is at home, so that process, thread, descriptors and credentials are right.
///
/// # Errors
///
/// [`ForwardError`] when the request makes no sense; nothing was executed then and `reply` is as before. What the kernel
/// answers, errors included, is no error here. To the program, descriptors in `own_fds` are not open. If something waits in
/// `signals`, or comes and its action says `SA_RESTART`, the answer is [`interruptible::RESTART`].
pub fn execute(
    request: &[u8],
    own_fds: &OwnFds,
    staging: &mut Staging,
    signals: &Pending,
    patience: Patience,
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
    let result = unsafe {
        match patience {
            Patience::Waits => interruptible::call(signals.flag(), request.number, &args),
            Patience::Tries => hasty::call(signals.flag(), call, &request, &args),
        }
    };
    let came_first = result == interruptible::RESTART && !signals.is_empty();
    let result = if came_first && is_never_restarted(request.number) { -i64::from(libc::EINTR) } else { result };
    if matches!(result, SLEEPS | interruptible::RESTART) {
        put_reply(reply, result, false, &[]);
        return Ok(());
    }
    let more = request.flags & CUT != 0 && goes_on(call, &request, result);
    let mut segments = [Segment { arg: 0, dir: Dir::In, len: 0, bytes: &[] }; SEGMENTS_MAX];
    let mut count = 0;
    for (index, segment) in request.segments().iter().enumerate() {
        let len = written(call, segment, result);
        let bytes = &staging.bytes(request.segments(), index)[..len];
        // What the kernel has left as it was is not written back: other threads may have changed it meanwhile.
        if len > 0 && bytes != segment.bytes {
            segments[count] = Segment { len: len as u32, bytes, ..*segment };
            count += 1;
        }
    }
    put_reply(reply, result, more, &segments[..count]);
    Ok(())
}

/// The descriptor of a read or write. None: the request is another, or makes no sense.
pub fn moves_bytes_of(request: &[u8]) -> Option<u64> {
    let (request, call) = validate(request).ok()?;
    call.transfer().or(call.vector()).map(|_| request.args[0])
}

/// The number of the call and the descriptor, if the request is to list a folder.
pub fn lists(request: &[u8]) -> Option<(u16, u64)> {
    let (request, call) = validate(request).ok()?;
    (i64::from(call.number) == libc::SYS_getdents64).then_some((call.number, request.args[0]))
}

/// Appends the answer to a call that was not made, so that the program goes home and makes it there.
pub fn refuse(reply: &mut Vec<u8>) {
    put_reply(reply, interruptible::RESTART, false, &[]);
}

/// Whether an answer is [`SLEEPS`].
pub fn would_sleep(reply: &[u8]) -> bool {
    Reply::decode(reply).is_ok_and(|reply| reply.result == SLEEPS)
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
        && (dir == Dir::In || matches!(kind_of(request.args[0]), libc::S_IFREG | libc::S_IFBLK))
}

/// What sort of file it is (`S_IFMT`); 0 if the descriptor is not open.
pub(super) fn kind_of(fd: u64) -> u32 {
    let mut stat = [0_u64; size_of::<libc::stat>() / 8];
    // SAFETY: fstat writes one `struct stat`, for which `stat` has the size and alignment.
    let result = unsafe { syscall6(libc::SYS_fstat as u64, [fd, stat.as_mut_ptr() as u64, 0, 0, 0, 0]) };
    if result == 0 { stat[std::mem::offset_of!(libc::stat, st_mode) / 8] as u32 & libc::S_IFMT } else { 0 }
}

const _: () = assert!(std::mem::offset_of!(libc::stat, st_mode) % 8 == 0);
