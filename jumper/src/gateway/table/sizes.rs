//! Sizes in bytes of the kernel structures that the table names, taken from libc where it has the same layout.

const fn size<T>() -> u32 {
    size_of::<T>() as u32
}

pub(super) const STAT: u32 = size::<libc::stat>();
pub(super) const STATX: u32 = size::<libc::statx>();
pub(super) const STATFS: u32 = size::<libc::statfs>();
pub(super) const TIME: u32 = size::<libc::timespec>(); // timeval has the same size
pub(super) const TIMEX: u32 = size::<libc::timex>();
pub(super) const RUSAGE: u32 = size::<libc::rusage>();
pub(super) const SYSINFO: u32 = size::<libc::sysinfo>();
pub(super) const UTSNAME: u32 = size::<libc::utsname>();
pub(super) const SIGINFO: u32 = size::<libc::siginfo_t>();
pub(super) const SIGEVENT: u32 = size::<libc::sigevent>();
pub(super) const SIGACTION: u32 = 32; // the kernel's: handler, flags, restorer, 8 bytes of mask
pub(super) const POLLFD: u32 = size::<libc::pollfd>();
pub(super) const EPOLL_EVENT: u32 = size::<libc::epoll_event>();
pub(super) const SEMBUF: u32 = size::<libc::sembuf>();
pub(super) const MQ_ATTR: u32 = size::<libc::mq_attr>();
pub(super) const XATTR_NAME: u32 = 256;
pub(super) const PAGE: u32 = 4096;

const _: () = assert!(STAT == 144 && STATX == 256 && STATFS == 120 && TIME == 16 && TIMEX == 208);
const _: () = assert!(RUSAGE == 144 && SYSINFO == 112 && UTSNAME == 390 && SIGINFO == 128 && SIGEVENT == 64);
const _: () = assert!(POLLFD == 8 && EPOLL_EVENT == 12 && SEMBUF == 6 && MQ_ATTR == 64);
