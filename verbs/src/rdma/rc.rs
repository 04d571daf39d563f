//! One reliable-connected queue pair of the device.
//!
//! # Safety
//! A queue pair holds its domain and completion queues, so it is destroyed before them. Work requests name memory by address;
//! whoever posts one promises that the memory stays registered until its completion was taken or the queue pair is destroyed.

use std::io;
use std::sync::Arc;

use ffi::ibv_qp_attr_mask as Mask;
use ibverbs_sys as ffi;

use super::completion::CompletionQueue;
use super::domain::Domain;
use super::error::RdmaError;
use super::path::Path;

/// Time-out of an acknowledgement: 4.096 us * 2^14 = 67 ms.
const TIMEOUT: u8 = 14;
/// How often unacknowledged packets are sent again. 7 would mean for ever on some devices.
const RETRY_COUNT: u8 = 6;
/// How often a message is sent again to a peer without a receive buffer. 7 would mean for ever. Credits keep this from happening.
const RNR_RETRY: u8 = 6;
/// How long the peer asks us to wait then: code 16 is 2.56 ms.
const MIN_RNR_TIMER: u8 = 16;
/// Bytes that are asked to be allowed inside a work request.
const INLINE_WISHED: u32 = 128;

/// What a work request does at the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    /// Takes bytes from there.
    Read,
    /// Places bytes there.
    Write,
    /// Fills a receive buffer there.
    Send,
}

/// A work request for the send queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorkRequest {
    pub(super) id: u64,
    pub(super) verb: Verb,
    /// Our memory: address, bytes, key.
    pub(super) local: u64,
    pub(super) len: u32,
    pub(super) lkey: u32,
    /// The peer's memory, for READ and WRITE: address, key.
    pub(super) remote: u64,
    pub(super) rkey: u32,
    /// Success makes a completion, too.
    pub(super) signaled: bool,
}

/// A queue pair (ibv_create_qp(3)).
pub(super) struct RcQueuePair {
    domain: Arc<Domain>,
    raw: *mut ffi::ibv_qp,
    inline_max: u32,
    _queues: [Arc<CompletionQueue>; 2],
}

// SAFETY: libibverbs is thread-safe, and the queue pair belongs to no thread.
unsafe impl Send for RcQueuePair {}

impl RcQueuePair {
    /// In the INIT state, on port `port`: receive buffers may be posted.
    ///
    /// # Errors
    /// `Device`.
    pub(super) fn new(
        domain: &Arc<Domain>,
        port: u8,
        send: (&Arc<CompletionQueue>, u32),
        receive: (&Arc<CompletionQueue>, u32),
    ) -> Result<RcQueuePair, RdmaError> {
        let attempt = |max_inline_data| {
            // SAFETY: numbers and pointers only: all zeros is a valid value.
            let mut attributes: ffi::ibv_qp_init_attr = unsafe { std::mem::zeroed() };
            (attributes.send_cq, attributes.recv_cq) = (send.0.raw(), receive.0.raw());
            attributes.qp_type = ffi::ibv_qp_type::IBV_QPT_RC;
            let (max_send_wr, max_recv_wr) = (send.1, receive.1);
            attributes.cap =
                ffi::ibv_qp_cap { max_send_wr, max_recv_wr, max_send_sge: 1, max_recv_sge: 1, max_inline_data };
            // SAFETY: domain and queues are valid and belong together.
            let raw = unsafe { domain.library().ibv_create_qp(domain.pd(), &mut attributes) };
            (raw, attributes.cap.max_inline_data)
        };
        let (mut raw, mut inline_max) = attempt(INLINE_WISHED);
        if raw.is_null() {
            (raw, inline_max) = attempt(0);
        }
        if raw.is_null() {
            return Err(domain.failed("making a queue pair"));
        }
        let queues = [Arc::clone(send.0), Arc::clone(receive.0)];
        let queue_pair = RcQueuePair { domain: Arc::clone(domain), raw, inline_max, _queues: queues };
        queue_pair.to_init(port)?;
        Ok(queue_pair)
    }

    /// Its number, by which the peer finds it.
    pub(super) fn number(&self) -> u32 {
        // SAFETY: valid until dropped.
        unsafe { (*self.raw).qp_num }
    }

    fn modify(&self, attributes: &mut ffi::ibv_qp_attr, mask: Mask) -> Result<(), RdmaError> {
        // SAFETY: the queue pair is valid; the fields that the mask names are set.
        match unsafe { self.domain.library().ibv_modify_qp(self.raw, attributes, mask.0 as i32) } {
            0 => Ok(()),
            errno => {
                let source = io::Error::from_raw_os_error(errno.abs());
                let device = self.domain.name().to_owned();
                Err(RdmaError::Device { device, what: "connecting a queue pair", source })
            }
        }
    }

    fn to_init(&self, port: u8) -> Result<(), RdmaError> {
        let access = ffi::ibv_access_flags::IBV_ACCESS_REMOTE_READ | ffi::ibv_access_flags::IBV_ACCESS_REMOTE_WRITE;
        let mut attributes = ffi::ibv_qp_attr {
            qp_state: ffi::ibv_qp_state::IBV_QPS_INIT,
            pkey_index: 0,
            port_num: port,
            qp_access_flags: access.0,
            ..blank()
        };
        self.modify(
            &mut attributes,
            Mask::IBV_QP_STATE | Mask::IBV_QP_PKEY_INDEX | Mask::IBV_QP_PORT | Mask::IBV_QP_ACCESS_FLAGS,
        )
    }

    /// Ready to receive from the queue pair at the end of `path`, of which at most `reads_max` READs are served at a time.
    ///
    /// # Errors
    /// `Device`, also when the peer cannot be reached over the network now.
    pub(super) fn to_ready_to_receive(&self, path: &Path, reads_max: u8) -> Result<(), RdmaError> {
        let mut attributes = ffi::ibv_qp_attr {
            qp_state: ffi::ibv_qp_state::IBV_QPS_RTR,
            path_mtu: path.mtu.into(),
            dest_qp_num: path.number,
            rq_psn: path.psn,
            max_dest_rd_atomic: reads_max,
            min_rnr_timer: MIN_RNR_TIMER,
            ..blank()
        };
        attributes.ah_attr.port_num = path.port.number;
        attributes.ah_attr.dlid = path.lid;
        if path.port.ethernet {
            attributes.ah_attr.is_global = 1;
            attributes.ah_attr.grh.dgid = ffi::ibv_gid { raw: path.gid };
            attributes.ah_attr.grh.sgid_index = path.port.gid_index;
            attributes.ah_attr.grh.hop_limit = 64;
        }
        self.modify(
            &mut attributes,
            Mask::IBV_QP_STATE
                | Mask::IBV_QP_AV
                | Mask::IBV_QP_PATH_MTU
                | Mask::IBV_QP_DEST_QPN
                | Mask::IBV_QP_RQ_PSN
                | Mask::IBV_QP_MAX_DEST_RD_ATOMIC
                | Mask::IBV_QP_MIN_RNR_TIMER,
        )
    }

    /// Ready to send too, starting from `psn`, with at most `reads_max` READs under way.
    ///
    /// # Errors
    /// `Device`.
    pub(super) fn to_ready_to_send(&self, psn: u32, reads_max: u8) -> Result<(), RdmaError> {
        let mut attributes = ffi::ibv_qp_attr {
            qp_state: ffi::ibv_qp_state::IBV_QPS_RTS,
            sq_psn: psn,
            timeout: TIMEOUT,
            retry_cnt: RETRY_COUNT,
            rnr_retry: RNR_RETRY,
            max_rd_atomic: reads_max,
            ..blank()
        };
        self.modify(
            &mut attributes,
            Mask::IBV_QP_STATE
                | Mask::IBV_QP_SQ_PSN
                | Mask::IBV_QP_TIMEOUT
                | Mask::IBV_QP_RETRY_CNT
                | Mask::IBV_QP_RNR_RETRY
                | Mask::IBV_QP_MAX_QP_RD_ATOMIC,
        )
    }

    /// Ends its work: what is posted completes with an error.
    ///
    /// # Errors
    /// `Device`.
    pub(super) fn to_error(&self) -> Result<(), RdmaError> {
        let mut attributes = ffi::ibv_qp_attr { qp_state: ffi::ibv_qp_state::IBV_QPS_ERR, ..blank() };
        self.modify(&mut attributes, Mask::IBV_QP_STATE)
    }

    /// Posts to the send queue (ibv_post_send(3)). No system call with hardware, no allocation.
    ///
    /// # Errors
    /// What the provider says; the queue pair must then be made again.
    ///
    /// # Safety
    /// The local memory stays registered, and for a READ unobserved, until the completion.
    pub(super) unsafe fn post_send(&self, request: &WorkRequest) -> io::Result<()> {
        let mut piece = ffi::ibv_sge { addr: request.local, length: request.len, lkey: request.lkey };
        // SAFETY: numbers and pointers only: all zeros is a valid value.
        let mut raw: ffi::ibv_send_wr = unsafe { std::mem::zeroed() };
        raw.wr_id = request.id;
        raw.sg_list = &mut piece;
        raw.num_sge = i32::from(request.len > 0);
        raw.opcode = match request.verb {
            Verb::Read => ffi::ibv_wr_opcode::IBV_WR_RDMA_READ,
            Verb::Write => ffi::ibv_wr_opcode::IBV_WR_RDMA_WRITE,
            Verb::Send => ffi::ibv_wr_opcode::IBV_WR_SEND,
        };
        raw.wr.rdma.remote_addr = request.remote;
        raw.wr.rdma.rkey = request.rkey;
        if request.signaled {
            raw.send_flags |= ffi::ibv_send_flags::IBV_SEND_SIGNALED.0;
        }
        if request.verb != Verb::Read && request.len > 0 && request.len <= self.inline_max {
            raw.send_flags |= ffi::ibv_send_flags::IBV_SEND_INLINE.0;
        }
        let mut bad = std::ptr::null_mut();
        // SAFETY: every provider has this function; the request lives for the call, its memory by the caller's promise.
        let errno = unsafe {
            let post = (*(*self.raw).context).ops.post_send.expect("every provider can send");
            post(self.raw, &mut raw, &mut bad)
        };
        if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno.abs())) }
    }

    /// Posts a receive buffer (ibv_post_recv(3)).
    ///
    /// # Errors
    /// What the provider says.
    ///
    /// # Safety
    /// The memory stays registered and unobserved until the completion.
    pub(super) unsafe fn post_receive(&self, id: u64, local: u64, len: u32, lkey: u32) -> io::Result<()> {
        let mut piece = ffi::ibv_sge { addr: local, length: len, lkey };
        let mut raw = ffi::ibv_recv_wr { wr_id: id, next: std::ptr::null_mut(), sg_list: &mut piece, num_sge: 1 };
        let mut bad = std::ptr::null_mut();
        // SAFETY: every provider has this function; the request lives for the call, its memory by the caller's promise.
        let errno = unsafe {
            let post = (*(*self.raw).context).ops.post_recv.expect("every provider can receive");
            post(self.raw, &mut raw, &mut bad)
        };
        if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno.abs())) }
    }
}

fn blank() -> ffi::ibv_qp_attr {
    // SAFETY: numbers only: all zeros is a valid value.
    unsafe { std::mem::zeroed() }
}

impl Drop for RcQueuePair {
    fn drop(&mut self) {
        // SAFETY: made by us, destroyed once.
        unsafe { self.domain.library().ibv_destroy_qp(self.raw) };
    }
}
