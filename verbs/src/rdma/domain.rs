//! A device in use: its context, its protection domain, and what is registered in it. All links of a process over one device
//! share it, so that a region is pinned once.
//!
//! # Safety
//! A [`Domain`] owns its `ibv_pd` and holds the context it belongs to; everything made in the domain holds the domain.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ibverbs_sys as ffi;
use rustix::fs::OFlags;

use super::context::Context;
use super::devices::{Device, Limits};
use super::error::RdmaError;
use super::library::Library;
use super::registration::Registration;

/// The devices in use.
static OPEN: Mutex<Vec<Weak<Domain>>> = Mutex::new(Vec::new());

/// A device in use.
pub(super) struct Domain {
    context: Context,
    pd: *mut ffi::ibv_pd,
    limits: Limits,
    failed: AtomicBool,
    /// The regions of this process that are registered in the domain.
    pub(super) regions: Mutex<Vec<Weak<Registration>>>,
}

// SAFETY: libibverbs is thread-safe, and the domain belongs to no thread.
unsafe impl Send for Domain {}
// SAFETY: as above.
unsafe impl Sync for Domain {}

impl Domain {
    /// The domain on the device of this name.
    ///
    /// # Errors
    /// `LibraryMissing`, `NoDevice`, `Device`.
    pub(super) fn on(device: &str) -> Result<Arc<Domain>, RdmaError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|domain| domain.strong_count() > 0);
        if let Some(domain) = open.iter().filter_map(Weak::upgrade).find(|domain| domain.name() == device) {
            return Ok(domain);
        }
        let context = Context::open_all()?.into_iter().find(|context| context.name() == device);
        let domain = Arc::new(Domain::new(context.ok_or(RdmaError::NoDevice)?)?);
        open.push(Arc::downgrade(&domain));
        Ok(domain)
    }

    fn new(context: Context) -> Result<Domain, RdmaError> {
        let limits = context.limits()?;
        // SAFETY: the context is open.
        let pd = unsafe { context.library().ibv_alloc_pd(context.raw()) };
        if pd.is_null() {
            return Err(context.failed("making a protection domain"));
        }
        let failed = AtomicBool::new(false);
        let domain = Domain { context, pd, limits, failed, regions: Mutex::default() };
        rustix::fs::fcntl_setfl(domain.events_fd(), OFlags::NONBLOCK)
            .map_err(|_| domain.context.failed("preparing for its events"))?;
        Ok(domain)
    }

    pub(super) fn library(&self) -> &'static Library {
        self.context.library()
    }

    pub(super) fn context(&self) -> *mut ffi::ibv_context {
        self.context.raw()
    }

    pub(super) fn pd(&self) -> *mut ffi::ibv_pd {
        self.pd
    }

    pub(super) fn name(&self) -> &str {
        self.context.name()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What the ports are like now.
    ///
    /// # Errors
    /// `Device`.
    pub(super) fn describe(&self) -> Result<Device, RdmaError> {
        self.context.describe()
    }

    /// The error of a call that sets errno.
    pub(super) fn failed(&self, what: &'static str) -> RdmaError {
        self.context.failed(what)
    }

    /// Becomes readable when the device has something to tell.
    pub(super) fn events_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor belongs to the context, which lives as long as the borrow.
        unsafe { BorrowedFd::borrow_raw((*self.context.raw()).async_fd) }
    }

    /// Takes what the device has to tell, without waiting. Any thread may.
    pub(super) fn take_events(&self) {
        // SAFETY: numbers and pointers only: all zeros is a valid value.
        let mut event: ffi::ibv_async_event = unsafe { std::mem::zeroed() };
        // SAFETY: the context is open; its descriptor does not block; the event may be written.
        while unsafe { self.library().ibv_get_async_event(self.context(), &mut event) } == 0 {
            if event.event_type == ffi::IBV_EVENT_DEVICE_FATAL {
                self.set_failed();
            }
            // SAFETY: each event that was taken is acknowledged once.
            unsafe { self.library().ibv_ack_async_event(&mut event) };
        }
    }

    /// From now on calls end with an error that names the device.
    pub(super) fn set_failed(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Whether the device has failed or was removed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        // SAFETY: made by us, freed once; what was made in it held it, so nothing is left.
        unsafe { self.library().ibv_dealloc_pd(self.pd) };
    }
}
