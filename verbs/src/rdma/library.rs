//! The functions of libibverbs, looked up when first needed: the binary starts where the library is not installed.
//!
//! `ibverbs-sys` gives the types and constants; none of its functions is called, so the linker leaves libibverbs out of the
//! list of needed libraries (a test of the built binary holds that). Each signature below is compared with it by the compiler.
//!
//! # Safety
//! A function is called only through its method here, with arguments that are valid as its man page says; each caller says
//! why. The library is never unloaded, so its functions stay where they are.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

use ibverbs_sys as ffi;

use super::error::RdmaError;

/// The name under which every system installs it.
const NAME: &str = "libibverbs.so.1";

macro_rules! functions {
    ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions that are used.
        pub(super) struct Library {
            $($name: unsafe extern "C" fn($($type),*) $(-> $result)?,)*
        }

        impl Library {
            fn load(library: &libloading::Library) -> Result<Library, libloading::Error> {
                Ok(Library { $(
                    // SAFETY: the function of this name has this signature in all versions of libibverbs.so.1.
                    $name: unsafe { *library.get(concat!(stringify!($name), "\0").as_bytes())? },
                )* })
            }

            $(
                /// # Safety
                /// As the man page of the function says.
                pub(super) unsafe fn $name(&self, $($arg: $type),*) $(-> $result)? {
                    // SAFETY: passed on to the caller.
                    unsafe { (self.$name)($($arg),*) }
                }
            )*
        }

        $(const _: unsafe extern "C" fn($($type),*) $(-> $result)? = ffi::$name;)*
    };
}

functions! {
    fn ibv_get_device_list(count: *mut c_int) -> *mut *mut ffi::ibv_device;
    fn ibv_free_device_list(list: *mut *mut ffi::ibv_device);
    fn ibv_get_device_name(device: *mut ffi::ibv_device) -> *const c_char;
    fn ibv_open_device(device: *mut ffi::ibv_device) -> *mut ffi::ibv_context;
    fn ibv_close_device(context: *mut ffi::ibv_context) -> c_int;
    fn ibv_query_device(context: *mut ffi::ibv_context, into: *mut ffi::ibv_device_attr) -> c_int;
    fn ibv_query_port(context: *mut ffi::ibv_context, port: u8, into: *mut ffi::_compat_ibv_port_attr) -> c_int;
    fn _ibv_query_gid_table(
        context: *mut ffi::ibv_context,
        into: *mut ffi::ibv_gid_entry,
        count_max: usize,
        flags: u32,
        entry_size: usize
    ) -> isize;
    fn ibv_get_async_event(context: *mut ffi::ibv_context, into: *mut ffi::ibv_async_event) -> c_int;
    fn ibv_ack_async_event(event: *mut ffi::ibv_async_event);
    fn ibv_alloc_pd(context: *mut ffi::ibv_context) -> *mut ffi::ibv_pd;
    fn ibv_dealloc_pd(pd: *mut ffi::ibv_pd) -> c_int;
    fn ibv_reg_mr(pd: *mut ffi::ibv_pd, start: *mut c_void, len: usize, access: c_int) -> *mut ffi::ibv_mr;
    fn ibv_dereg_mr(mr: *mut ffi::ibv_mr) -> c_int;
    fn ibv_create_comp_channel(context: *mut ffi::ibv_context) -> *mut ffi::ibv_comp_channel;
    fn ibv_destroy_comp_channel(channel: *mut ffi::ibv_comp_channel) -> c_int;
    fn ibv_create_cq(
        context: *mut ffi::ibv_context,
        depth: c_int,
        cookie: *mut c_void,
        channel: *mut ffi::ibv_comp_channel,
        vector: c_int
    ) -> *mut ffi::ibv_cq;
    fn ibv_destroy_cq(cq: *mut ffi::ibv_cq) -> c_int;
    fn ibv_get_cq_event(
        channel: *mut ffi::ibv_comp_channel,
        cq: *mut *mut ffi::ibv_cq,
        cookie: *mut *mut c_void
    ) -> c_int;
    fn ibv_ack_cq_events(cq: *mut ffi::ibv_cq, count: c_uint);
    fn ibv_create_qp(pd: *mut ffi::ibv_pd, attributes: *mut ffi::ibv_qp_init_attr) -> *mut ffi::ibv_qp;
    fn ibv_modify_qp(qp: *mut ffi::ibv_qp, attributes: *mut ffi::ibv_qp_attr, mask: c_int) -> c_int;
    fn ibv_destroy_qp(qp: *mut ffi::ibv_qp) -> c_int;
}

/// The library, loaded once for all.
///
/// # Errors
/// `LibraryMissing` where it is not installed or lacks a function that is used.
pub(super) fn library() -> Result<&'static Library, RdmaError> {
    static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| load(NAME).map_err(|error| error.to_string()));
    library.as_ref().map_err(|reason| RdmaError::LibraryMissing { reason: reason.clone() })
}

fn load(name: &str) -> Result<Library, libloading::Error> {
    // SAFETY: libibverbs only fills tables of its own when it is loaded.
    let handle = unsafe { libloading::Library::new(name) }?;
    let library = Library::load(&handle)?;
    // its functions are used until the process ends
    std::mem::forget(handle);
    Ok(library)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_or_has_no_such_functions_is_refused() {
        assert!(load("libibverbs-not-there.so.1").is_err());
        assert!(load("libc.so.6").is_err());
    }
}
