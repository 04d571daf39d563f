//! The runtime's own descriptors, which the program must neither close nor use.
//!
//! The program shares one table of descriptors with the runtime. All of the runtime's lie above the numbers that
//! [`LowFds`](crate::low_fds::LowFds) kept free; to the program they are not open.

use std::os::fd::{AsRawFd, RawFd};

/// The set, in ascending order. Made right before the program's first instruction; it grows once, if peers are joined later.
#[derive(Clone, Debug, Default)]
pub struct OwnFds {
    sorted: Vec<RawFd>,
}

impl OwnFds {
    /// Everything that is open now, but for what `inherited` names and the standard three.
    ///
    /// # Errors
    /// /proc is not mounted.
    pub fn all_but(inherited: &[RawFd]) -> std::io::Result<OwnFds> {
        let mut sorted = open_descriptors()?;
        sorted.retain(|fd| *fd > 2 && !inherited.contains(fd));
        sorted.sort_unstable();
        Ok(OwnFds { sorted })
    }

    /// Adds what was opened later.
    pub fn extend(&mut self, later: OwnFds) {
        self.sorted.extend(later.sorted);
        self.sorted.sort_unstable();
        self.sorted.dedup();
    }

    /// Adds one.
    pub fn add(&mut self, fd: &impl AsRawFd) {
        self.extend(OwnFds { sorted: vec![fd.as_raw_fd()] });
    }

    /// Closes them, but for those in `kept`, and forgets them. For a forked child, which has copies of its parent's; nothing of it may
    /// use them any more.
    pub fn close_all_but(&mut self, kept: &OwnFds) {
        for fd in self.sorted.drain(..).filter(|fd| !kept.contains(*fd)) {
            // SAFETY: nobody uses the number any more, see above.
            unsafe { libc::close(fd) };
        }
    }

    /// Whether the number is one of the runtime's.
    #[must_use]
    pub fn contains(&self, fd: RawFd) -> bool {
        self.sorted.binary_search(&fd).is_ok()
    }

    /// The parts of `first..=last` without them, for close_range(2).
    #[must_use]
    pub fn gaps(&self, first: u32, last: u32) -> Vec<(u32, u32)> {
        let mut gaps = Vec::new();
        let mut next = u64::from(first);
        let numbers = self.sorted.iter().filter_map(|fd| u32::try_from(*fd).ok());
        for fd in numbers.filter(|fd| (first..=last).contains(fd)) {
            if next < u64::from(fd) {
                gaps.push((next as u32, fd - 1));
            }
            next = u64::from(fd) + 1;
        }
        if next <= u64::from(last) {
            gaps.push((next as u32, last));
        }
        gaps
    }

    /// Whether a call of the program names one of them.
    #[must_use]
    pub fn named_by(&self, number: u16, args: &[u64; 6]) -> bool {
        !self.sorted.is_empty() && descriptor_args(number).iter().any(|arg| self.contains(args[*arg] as i32))
    }
}

/// The descriptors that are open in this process now.
///
/// # Errors
/// /proc is not mounted.
pub fn open_descriptors() -> std::io::Result<Vec<RawFd>> {
    let listed = std::fs::read_dir("/proc/self/fd")?;
    let numbers = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let numbers: Vec<RawFd> = numbers.collect();
    // The descriptor of the listing itself is closed by now.
    // SAFETY: F_GETFD changes nothing.
    Ok(numbers.into_iter().filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0).collect())
}

/// Which arguments of a call are descriptors that it uses, changes or closes.
fn descriptor_args(number: u16) -> &'static [usize] {
    match i64::from(number) {
        libc::SYS_dup2 | libc::SYS_dup3 | libc::SYS_sendfile | libc::SYS_tee => &[0, 1],
        libc::SYS_splice | libc::SYS_copy_file_range | libc::SYS_epoll_ctl => &[0, 2],
        libc::SYS_close
        | libc::SYS_dup
        | libc::SYS_fcntl
        | libc::SYS_ioctl
        | libc::SYS_read
        | libc::SYS_write
        | libc::SYS_pread64
        | libc::SYS_pwrite64
        | libc::SYS_readv
        | libc::SYS_writev
        | libc::SYS_preadv
        | libc::SYS_pwritev
        | libc::SYS_preadv2
        | libc::SYS_pwritev2
        | libc::SYS_lseek
        | libc::SYS_fstat
        | libc::SYS_ftruncate
        | libc::SYS_fallocate
        | libc::SYS_getdents
        | libc::SYS_getdents64
        | libc::SYS_sendto
        | libc::SYS_recvfrom
        | libc::SYS_sendmsg
        | libc::SYS_recvmsg
        | libc::SYS_sendmmsg
        | libc::SYS_recvmmsg
        | libc::SYS_shutdown
        | libc::SYS_setsockopt
        | libc::SYS_getsockopt
        | libc::SYS_epoll_wait
        | libc::SYS_epoll_pwait => &[0],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(sorted: &[RawFd]) -> OwnFds {
        OwnFds { sorted: sorted.to_vec() }
    }

    #[test]
    fn a_range_is_closed_around_them() {
        let own = own(&[512, 513, 520]);
        assert_eq!(own.gaps(3, u32::MAX), [(3, 511), (514, 519), (521, u32::MAX)]);
        assert_eq!(own.gaps(512, 513), []);
        assert_eq!(own.gaps(513, 520), [(514, 519)]);
        assert_eq!(own.gaps(600, 700), [(600, 700)]);
    }

    #[test]
    fn calls_that_name_one_are_known() {
        let own = own(&[512]);
        let named = |number: i64, args: [u64; 6]| own.named_by(number as u16, &args);
        assert!(named(libc::SYS_close, [512, 0, 0, 0, 0, 0]));
        assert!(named(libc::SYS_dup2, [1, 512, 0, 0, 0, 0]));
        assert!(!named(libc::SYS_dup, [1, 512, 0, 0, 0, 0]));
        assert!(!named(libc::SYS_getpid, [512, 512, 0, 0, 0, 0]));
    }

    #[test]
    fn what_was_there_before_is_not_the_runtimes() {
        let before = open_descriptors().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let own = OwnFds::all_but(&before).unwrap();
        assert!(own.contains(std::os::fd::AsRawFd::as_raw_fd(&file)));
        assert!(!before.iter().any(|fd| own.contains(*fd)));
    }
}
