//! An opened device.
//!
//! # Safety
//! A [`Context`] owns its `ibv_context` from construction to drop. libibverbs allows calls on it from several threads.
//! Structures given to the library to fill live on the stack of the call and have the size it expects.

use std::ffi::{CStr, c_int};
use std::io;
use std::mem::size_of;
use std::net::Ipv6Addr;

use ibverbs_sys as ffi;

use super::devices::{Device, Gid, GidKind, Limits, LinkLayer, Port, PortState};
use super::error::RdmaError;
use super::library::{Library, library};
use super::odp;

/// An opened device, closed when dropped.
pub(super) struct Context {
    library: &'static Library,
    raw: *mut ffi::ibv_context,
    name: String,
}

// SAFETY: libibverbs is thread-safe, and the context belongs to no thread.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    /// Opens every device.
    ///
    /// # Errors
    /// `LibraryMissing`, `NoDevice`, `Device`.
    pub(super) fn open_all() -> Result<Vec<Context>, RdmaError> {
        let library = library()?;
        let mut count: c_int = 0;
        // SAFETY: `count` may be written.
        let list = unsafe { library.ibv_get_device_list(&mut count) };
        if list.is_null() {
            return Err(RdmaError::NoDevice);
        }
        // SAFETY: the list has `count` devices.
        let devices = unsafe { std::slice::from_raw_parts(list, usize::try_from(count).unwrap_or(0)) };
        let contexts = devices.iter().map(|&device| Context::open(library, device)).collect();
        // SAFETY: the list came from ibv_get_device_list; opened devices stay.
        unsafe { library.ibv_free_device_list(list) };
        match contexts {
            Ok(contexts) if Vec::is_empty(&contexts) => Err(RdmaError::NoDevice),
            other => other,
        }
    }

    fn open(library: &'static Library, device: *mut ffi::ibv_device) -> Result<Context, RdmaError> {
        // SAFETY: the device comes from the list, which is not freed yet; its name ends with a zero byte.
        let name = unsafe { CStr::from_ptr(library.ibv_get_device_name(device)) }.to_string_lossy().into_owned();
        // SAFETY: as above.
        let raw = unsafe { library.ibv_open_device(device) };
        if raw.is_null() {
            let source = io::Error::last_os_error();
            return Err(RdmaError::Device { device: name, what: "opening it", source });
        }
        Ok(Context { library, raw, name })
    }

    pub(super) fn library(&self) -> &'static Library {
        self.library
    }

    pub(super) fn raw(&self) -> *mut ffi::ibv_context {
        self.raw
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// An error of this device from errno.
    pub(super) fn failed(&self, what: &'static str) -> RdmaError {
        RdmaError::Device { device: self.name.clone(), what, source: io::Error::last_os_error() }
    }

    /// `result` is 0, or the errno of a call that returns it.
    fn check(&self, what: &'static str, result: c_int) -> Result<(), RdmaError> {
        if result == 0 {
            return Ok(());
        }
        let source = io::Error::from_raw_os_error(result.abs());
        Err(RdmaError::Device { device: self.name.clone(), what, source })
    }

    /// All there is to know about the device.
    ///
    /// # Errors
    /// `Device`.
    pub(super) fn describe(&self) -> Result<Device, RdmaError> {
        let attributes = self.attributes()?;
        let gids = self.gids(&attributes)?;
        let port = |number| self.port(number, gids.iter().filter(|gid| gid.port_num == u32::from(number)));
        let ports = (1..=attributes.phys_port_cnt).map(port).collect::<Result<_, _>>()?;
        Ok(Device { name: self.name.clone(), ports, limits: self.limits_in(&attributes) })
    }

    /// What the device can do.
    ///
    /// # Errors
    /// `Device`.
    pub(super) fn limits(&self) -> Result<Limits, RdmaError> {
        Ok(self.limits_in(&self.attributes()?))
    }

    fn limits_in(&self, attributes: &ffi::ibv_device_attr) -> Limits {
        let count = |value: c_int| u32::try_from(value).unwrap_or(0);
        let few = |value: c_int| u8::try_from(value.max(0)).unwrap_or(u8::MAX);
        Limits {
            max_qp_wr: count(attributes.max_qp_wr),
            max_cqe: count(attributes.max_cqe),
            max_qp_rd_atom: few(attributes.max_qp_rd_atom),
            max_qp_init_rd_atom: few(attributes.max_qp_init_rd_atom),
            max_mr_size: attributes.max_mr_size,
            // SAFETY: the context is open.
            on_demand_paging: unsafe { odp::query(self.raw) },
        }
    }

    fn attributes(&self) -> Result<ffi::ibv_device_attr, RdmaError> {
        // SAFETY: numbers only: all zeros is a valid value.
        let mut attributes: ffi::ibv_device_attr = unsafe { std::mem::zeroed() };
        // SAFETY: the context is open; the result may be written.
        let result = unsafe { self.library.ibv_query_device(self.raw, &mut attributes) };
        self.check("asking for its limits", result)?;
        Ok(attributes)
    }

    fn port<'a>(&self, number: u8, gids: impl Iterator<Item = &'a ffi::ibv_gid_entry>) -> Result<Port, RdmaError> {
        // SAFETY: numbers only: all zeros is a valid value.
        let mut attributes: ffi::ibv_port_attr = unsafe { std::mem::zeroed() };
        // SAFETY: the context is open; the exported function fills the front part of the structure, which old and new
        // versions share.
        let result = unsafe { self.library.ibv_query_port(self.raw, number, (&raw mut attributes).cast()) };
        self.check("asking for the state of a port", result)?;
        Ok(Port {
            number,
            state: state(attributes.state),
            active_mtu: 128 << attributes.active_mtu.clamp(ffi::IBV_MTU_256, ffi::IBV_MTU_4096),
            link_layer: match u32::from(attributes.link_layer) {
                ffi::IBV_LINK_LAYER_ETHERNET => LinkLayer::Ethernet,
                _ => LinkLayer::InfiniBand,
            },
            lid: attributes.lid,
            gids: gids.filter_map(|entry| self.gid(entry)).collect(),
        })
    }

    fn gids(&self, attributes: &ffi::ibv_device_attr) -> Result<Vec<ffi::ibv_gid_entry>, RdmaError> {
        let mut room = 64 * usize::from(attributes.phys_port_cnt.max(1));
        loop {
            // SAFETY: numbers only: all zeros is a valid value.
            let mut entries = vec![unsafe { std::mem::zeroed::<ffi::ibv_gid_entry>() }; room];
            let size = size_of::<ffi::ibv_gid_entry>();
            // SAFETY: the context is open; `entries` has room for as many as are asked for.
            let count = unsafe { self.library._ibv_query_gid_table(self.raw, entries.as_mut_ptr(), room, 0, size) };
            match usize::try_from(count) {
                Ok(count) => {
                    entries.truncate(count);
                    return Ok(entries);
                }
                // more entries than room
                Err(_) if count == -(libc::EINVAL as isize) && room < 1 << 16 => room *= 4,
                Err(_) => self.check("asking for its addresses", count as c_int)?,
            }
        }
    }

    fn gid(&self, entry: &ffi::ibv_gid_entry) -> Option<Gid> {
        let kind = match entry.gid_type {
            ffi::IBV_GID_TYPE_IB => GidKind::InfiniBand,
            ffi::IBV_GID_TYPE_ROCE_V1 => GidKind::RoceV1,
            ffi::IBV_GID_TYPE_ROCE_V2 => GidKind::RoceV2,
            _ => return None,
        };
        // SAFETY: any 16 bytes are a GID.
        let address = Ipv6Addr::from(unsafe { entry.gid.raw });
        // by name and not by number: the interface may belong to another network namespace
        let path =
            format!("/sys/class/infiniband/{}/ports/{}/gid_attrs/ndevs/{}", self.name, entry.port_num, entry.gid_index);
        let netdev = std::fs::read_to_string(path).ok().map(|name| name.trim().to_owned());
        Some(Gid { index: entry.gid_index, kind, address, netdev: netdev.filter(|name| !name.is_empty()) })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: opened by us, closed once; what was made from it holds it, so nothing is left.
        unsafe { self.library.ibv_close_device(self.raw) };
    }
}

fn state(state: ffi::ibv_port_state::Type) -> PortState {
    match state {
        ffi::ibv_port_state::IBV_PORT_DOWN => PortState::Down,
        ffi::ibv_port_state::IBV_PORT_INIT => PortState::Init,
        ffi::ibv_port_state::IBV_PORT_ARMED => PortState::Armed,
        ffi::ibv_port_state::IBV_PORT_ACTIVE => PortState::Active,
        _ => PortState::Other,
    }
}
