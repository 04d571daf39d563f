//! Completion queues, and the channel that a thread sleeps on.
//!
//! # Safety
//! A queue holds its channel, and the channel the domain, so each is destroyed before what it was made from. Queue pairs hold
//! their queues.

use std::os::fd::BorrowedFd;
use std::ptr;
use std::sync::Arc;

use ibverbs_sys as ffi;
use rustix::fs::OFlags;

use super::domain::Domain;
use super::error::RdmaError;

/// Most completions taken at once.
pub(super) const BATCH: usize = 16;

/// How one work request ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    /// The number the work request was posted under.
    pub(super) id: u64,
    pub(super) status: ffi::ibv_wc_status::Type,
    /// Bytes received.
    pub(super) len: usize,
}

/// Becomes readable when a queue that was asked to gets a completion.
pub(super) struct Channel {
    domain: Arc<Domain>,
    raw: *mut ffi::ibv_comp_channel,
}

// SAFETY: libibverbs is thread-safe, and the channel belongs to no thread.
unsafe impl Send for Channel {}
// SAFETY: as above.
unsafe impl Sync for Channel {}

impl Channel {
    pub(super) fn new(domain: &Arc<Domain>) -> Result<Arc<Channel>, RdmaError> {
        // SAFETY: the context is open.
        let raw = unsafe { domain.library().ibv_create_comp_channel(domain.context()) };
        if raw.is_null() {
            return Err(domain.failed("making a completion channel"));
        }
        let channel = Channel { domain: Arc::clone(domain), raw };
        rustix::fs::fcntl_setfl(channel.fd(), OFlags::NONBLOCK)
            .map_err(|_| domain.failed("preparing a completion channel"))?;
        Ok(Arc::new(channel))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor belongs to the channel, which lives as long as the borrow.
        unsafe { BorrowedFd::borrow_raw((*self.raw).fd) }
    }

    /// Takes the wake-ups that have come, without waiting.
    pub(super) fn drain(&self) {
        let (mut queue, mut cookie) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the channel is valid and its descriptor does not block; both results may be written.
        while unsafe { self.domain.library().ibv_get_cq_event(self.raw, &mut queue, &mut cookie) } == 0 {
            // SAFETY: the queue whose event was taken is not destroyed before the event is acknowledged.
            unsafe { self.domain.library().ibv_ack_cq_events(queue, 1) };
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // SAFETY: made by us, destroyed once, after its queues.
        unsafe { self.domain.library().ibv_destroy_comp_channel(self.raw) };
    }
}

/// A completion queue.
pub(super) struct CompletionQueue {
    channel: Arc<Channel>,
    raw: *mut ffi::ibv_cq,
}

// SAFETY: libibverbs is thread-safe, and the queue belongs to no thread.
unsafe impl Send for CompletionQueue {}
// SAFETY: as above.
unsafe impl Sync for CompletionQueue {}

impl CompletionQueue {
    /// A queue for at least `depth` completions.
    pub(super) fn new(channel: &Arc<Channel>, depth: usize) -> Result<Arc<CompletionQueue>, RdmaError> {
        let domain = &channel.domain;
        let depth = i32::try_from(depth).expect("queues are short");
        // SAFETY: context and channel are valid and belong together.
        let raw = unsafe { domain.library().ibv_create_cq(domain.context(), depth, ptr::null_mut(), channel.raw, 0) };
        if raw.is_null() {
            return Err(domain.failed("making a completion queue"));
        }
        Ok(Arc::new(CompletionQueue { channel: Arc::clone(channel), raw }))
    }

    pub(super) fn raw(&self) -> *mut ffi::ibv_cq {
        self.raw
    }

    /// Takes completions that are there; returns how many (ibv_poll_cq(3)). No system call with hardware.
    pub(super) fn poll(&self, into: &mut [Completion; BATCH]) -> usize {
        let mut raw = [ffi::ibv_wc::default(); BATCH];
        // SAFETY: every provider has this function; the array has room for as many as are asked for.
        let count = unsafe {
            let poll = (*(*self.raw).context).ops.poll_cq.expect("every provider can poll");
            poll(self.raw, BATCH as i32, raw.as_mut_ptr())
        };
        let count = usize::try_from(count).unwrap_or(0);
        for (place, raw) in into.iter_mut().zip(&raw[..count]) {
            let status = raw.error().map_or(ffi::ibv_wc_status::IBV_WC_SUCCESS, |(status, _)| status);
            *place = Completion { id: raw.wr_id(), status, len: raw.len() };
        }
        count
    }

    /// The next completion makes the channel readable (ibv_req_notify_cq(3)). One that came before does not: look again.
    pub(super) fn request_notification(&self) {
        // SAFETY: every provider has this function; the queue is valid.
        unsafe {
            let request = (*(*self.raw).context).ops.req_notify_cq.expect("every provider can notify");
            request(self.raw, 0);
        }
    }
}

impl Completion {
    pub(super) const NONE: Completion = Completion { id: 0, status: 0, len: 0 };

    pub(super) fn succeeded(&self) -> bool {
        self.status == ffi::ibv_wc_status::IBV_WC_SUCCESS
    }
}

impl Drop for CompletionQueue {
    fn drop(&mut self) {
        // SAFETY: made by us, destroyed once, after its queue pairs; its events are acknowledged as they are taken.
        unsafe { self.channel.domain.library().ibv_destroy_cq(self.raw) };
    }
}
