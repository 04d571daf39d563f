//! Files: reading and writing, descriptors.

use super::super::by_command::fcntl;
use super::super::by_command_admin::open_by_handle_at;
use super::super::call::{Call, Pointer::*, Shape::*, call};
use super::super::ioctl::ioctl;
use super::sizes::*;

#[rustfmt::skip]
pub(super) const CALLS: &[Call] = &[
    // Bytes of an open file.
    call(0, "read", &[Out(1, Rw(2))]).ships(),
    call(1, "write", &[In(1, Rw(2))]).ships(),
    call(17, "pread64", &[Out(1, Rw(2))]).ships(),
    call(18, "pwrite64", &[In(1, Rw(2))]).ships(),
    call(19, "readv", &[IovOut(1, 2)]).ships(),
    call(20, "writev", &[IovIn(1, 2)]).ships(),
    call(295, "preadv", &[IovOut(1, 2)]).ships(),
    call(296, "pwritev", &[IovIn(1, 2)]).ships(),
    call(327, "preadv2", &[IovOut(1, 2)]).ships(),
    call(328, "pwritev2", &[IovIn(1, 2)]).ships(),
    call(8, "lseek", &[]).ships(),
    call(40, "sendfile", &[InOut(2, Fixed(8))]).ships(),
    call(275, "splice", &[InOut(1, Fixed(8)), InOut(3, Fixed(8))]).ships(),
    call(276, "tee", &[]).ships(),
    call(326, "copy_file_range", &[InOut(1, Fixed(8)), InOut(3, Fixed(8))]).ships(),
    call(74, "fsync", &[]).ships(),
    call(75, "fdatasync", &[]).ships(),
    call(77, "ftruncate", &[]).ships(),
    call(162, "sync", &[]).ships(),
    call(187, "readahead", &[]).ships(),
    call(221, "fadvise64", &[]).ships(),
    call(277, "sync_file_range", &[]).ships(),
    call(285, "fallocate", &[]).ships(),
    call(306, "syncfs", &[]).ships(),
    call(451, "cachestat", &[In(1, Fixed(16)), Out(2, Fixed(40))]).ships(),

    // Descriptors.
    call(2, "open", &[Path(0)]).ships().self_exe(),
    call(85, "creat", &[Path(0)]).ships().self_exe(),
    call(257, "openat", &[Path(1)]).ships().self_exe(),
    call(437, "openat2", &[Path(1), In(2, Bytes(3))]).ships().self_exe(),
    call(304, "open_by_handle_at", &[By(open_by_handle_at)]),
    call(3, "close", &[]).ships(),
    call(436, "close_range", &[]),
    call(32, "dup", &[]).ships(),
    call(33, "dup2", &[]).ships(),
    call(292, "dup3", &[]).ships(),
    call(22, "pipe", &[Out(0, Fixed(8))]).ships(),
    call(293, "pipe2", &[Out(0, Fixed(8))]).ships(),
    call(72, "fcntl", &[By(fcntl)]).ships(),
    call(16, "ioctl", &[By(ioctl)]).ships(),
    call(73, "flock", &[]).ships(),
    call(319, "memfd_create", &[Text(0, 250)]).ships(),

    // What a descriptor stands for.
    call(5, "fstat", &[Out(1, Fixed(STAT))]).ships(),
    call(138, "fstatfs", &[Out(1, Fixed(STATFS))]).ships(),
    call(78, "getdents", &[Out(1, Got(2))]).ships(),
    call(217, "getdents64", &[Out(1, Got(2))]).ships(),
    call(81, "fchdir", &[]).ships(),
    call(91, "fchmod", &[]).ships(),
    call(93, "fchown", &[]).ships(),
    call(190, "fsetxattr", &[Text(1, XATTR_NAME), In(2, Bytes(3))]).ships(),
    call(193, "fgetxattr", &[Text(1, XATTR_NAME), Out(2, Got(3))]).ships(),
    call(196, "flistxattr", &[Out(1, Got(2))]).ships(),
    call(199, "fremovexattr", &[Text(1, XATTR_NAME)]).ships(),
];
