//! What a link carries, as the kernel has measured it (TCP_INFO, tcp(7)).
//!
//! # Safety
//! The only unsafe call has the kernel fill a structure of this function's own, any bytes of which are valid.

use std::net::TcpStream;
use std::os::fd::AsRawFd;

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// The first part of `struct tcp_info` of linux/tcp.h, as of Linux 4.10.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct TcpInfo {
    state_to_scale: [u8; 7],
    /// Bit 0: `delivery_rate` was limited by the sender.
    flags: u8,
    rto_to_total_retrans: [u32; 24],
    pacing_to_bytes_received: [u64; 4],
    segs_out_to_data_segs_out: [u32; 6],
    /// Bytes a second.
    delivery_rate: u64,
    /// Microseconds in which there was something to send; of these, what the receiver's window and the send buffer held up.
    busy_time: u64,
    rwnd_limited: u64,
    sndbuf_limited: u64,
}

const _: () = assert!(std::mem::offset_of!(TcpInfo, delivery_rate) == 160 && size_of::<TcpInfo>() == 192);

/// Bytes a second that the network took of what this end sent lately. `None` if the sender left it idle meanwhile, or if the
/// kernel does not tell: then it may carry more.
pub(super) fn bytes_per_s(socket: &TcpStream) -> Option<u64> {
    let mut info = TcpInfo::new_zeroed();
    let mut len = size_of::<TcpInfo>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `info`, and the length that it wrote to `len`.
    let outcome = unsafe {
        let (value, len) = ((&raw mut info).cast(), &raw mut len);
        libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, value, len)
    };
    let whole = outcome == 0 && len as usize == size_of::<TcpInfo>();
    (whole && info.flags & 1 == 0 && info.delivery_rate > 0).then_some(info.delivery_rate)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_stream_that_has_carried_nothing_tells_nothing_and_a_full_one_does() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a listener");
        let mut near = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        let (mut far, _) = listener.accept().expect("accepted");
        assert_eq!(bytes_per_s(&near), None);
        let reader = std::thread::spawn(move || std::io::copy(&mut far, &mut std::io::sink()));
        let mut told = None;
        for _ in 0..2000 {
            near.write_all(&[0; 1 << 16]).expect("written");
            told = told.or(bytes_per_s(&near));
        }
        drop(near);
        reader.join().expect("no panic").expect("read");
        assert!(told.is_some_and(|rate| rate > 1 << 20), "{told:?}");
    }
}
