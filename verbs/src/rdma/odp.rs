//! What on-demand paging a device offers.
//!
//! `ibv_query_device_ex` is an inline function in C: it takes the address of the real one from the words that lie before the
//! `ibv_context` (`struct verbs_context` in infiniband/verbs.h). So does this file.
//!
//! # Safety
//! Those words exist when `abi_compat` has all bits set, and as many as `sz` says; both are checked first. Their order is
//! part of the library's binary interface, since every program has it compiled in.

use std::ffi::c_int;
use std::mem::{offset_of, size_of};

use ibverbs_sys as ffi;

/// What a device with on-demand paging can serve without pinned memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OnDemandPaging {
    /// The whole address space can be registered at once.
    pub implicit: bool,
    /// Messages are sent from such memory.
    pub send: bool,
    /// Messages are received into such memory.
    pub receive: bool,
    /// Peers write into such memory.
    pub write: bool,
    /// Peers read such memory.
    pub read: bool,
}

type QueryDeviceEx = unsafe extern "C" fn(
    *mut ffi::ibv_context,
    *const ffi::ibv_query_device_ex_input,
    *mut ffi::ibv_device_attr_ex,
    usize,
) -> c_int;

/// The end of `struct verbs_context`.
#[repr(C)]
struct Tail {
    query_device_ex: Option<QueryDeviceEx>,
    /// destroy_flow to close_xrcd, and a placeholder.
    others: [usize; 11],
    size: usize,
    context: ffi::ibv_context,
}

/// Asks the device; `None` where it or the library cannot tell, or has none.
///
/// # Safety
/// `context` is open.
pub(super) unsafe fn query(context: *mut ffi::ibv_context) -> Option<OnDemandPaging> {
    // SAFETY: an open context may be read.
    if unsafe { (*context).abi_compat } as usize != usize::MAX {
        return None;
    }
    // SAFETY: an extended context lies inside a `verbs_context`, whose size comes right before it.
    let size = unsafe { *context.cast::<usize>().sub(1) };
    if size < size_of::<Tail>() {
        return None;
    }
    let tail = context.wrapping_byte_sub(offset_of!(Tail, context)).cast::<Tail>();
    // SAFETY: the size says that the words of `Tail` are there.
    let query_device_ex = unsafe { (*tail).query_device_ex }?;
    let mut attributes = ffi::ibv_device_attr_ex::default();
    // SAFETY: the context is open; the result has room for what the size tells.
    let failed = unsafe { query_device_ex(context, std::ptr::null(), &mut attributes, size_of_val(&attributes)) };
    if failed != 0 || attributes.odp_caps.general_caps & u64::from(ffi::IBV_ODP_SUPPORT) == 0 {
        return None;
    }
    let rc = attributes.odp_caps.per_transport_caps.rc_odp_caps;
    Some(OnDemandPaging {
        implicit: attributes.odp_caps.general_caps & u64::from(ffi::IBV_ODP_SUPPORT_IMPLICIT) != 0,
        send: rc & ffi::IBV_ODP_SUPPORT_SEND != 0,
        receive: rc & ffi::IBV_ODP_SUPPORT_RECV != 0,
        write: rc & ffi::IBV_ODP_SUPPORT_WRITE != 0,
        read: rc & ffi::IBV_ODP_SUPPORT_READ != 0,
    })
}

const _: () = assert!(offset_of!(Tail, context) == 13 * size_of::<usize>());
