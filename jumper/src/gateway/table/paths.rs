//! Files named by a path.

use super::super::by_command_admin::{getxattrat, name_to_handle_at, setxattrat};
use super::super::call::{Call, Pointer::*, Shape::*, call};
use super::sizes::*;

#[rustfmt::skip]
pub(super) const CALLS: &[Call] = &[
    // Looking.
    call(4, "stat", &[Path(0), Out(1, Fixed(STAT))]).ships().self_exe(),
    call(6, "lstat", &[Path(0), Out(1, Fixed(STAT))]).ships().self_exe(),
    call(262, "newfstatat", &[Path(1), Out(2, Fixed(STAT))]).ships().self_exe(),
    call(332, "statx", &[Path(1), Out(4, Fixed(STATX))]).ships().self_exe(),
    call(137, "statfs", &[Path(0), Out(1, Fixed(STATFS))]).ships().self_exe(),
    call(136, "ustat", &[Out(1, Fixed(32))]).ships(),
    call(21, "access", &[Path(0)]).ships().self_exe(),
    call(269, "faccessat", &[Path(1)]).ships().self_exe(),
    call(439, "faccessat2", &[Path(1)]).ships().self_exe(),
    call(89, "readlink", &[Path(0), Out(1, Got(2))]).ships().self_exe(),
    call(267, "readlinkat", &[Path(1), Out(2, Got(3))]).ships().self_exe(),
    call(303, "name_to_handle_at", &[Path(1), By(name_to_handle_at)]).self_exe(),
    call(468, "file_getattr", &[Path(1), InOut(2, Bytes(3))]).ships().self_exe(),
    call(469, "file_setattr", &[Path(1), In(2, Bytes(3))]).ships(),

    // Where we are.
    call(79, "getcwd", &[Out(0, Got(1))]).ships(),
    call(80, "chdir", &[Path(0)]).ships(),
    call(161, "chroot", &[Path(0)]),
    call(95, "umask", &[]).ships(),

    // Names.
    call(82, "rename", &[Path(0), Path(1)]).ships(),
    call(264, "renameat", &[Path(1), Path(3)]).ships(),
    call(316, "renameat2", &[Path(1), Path(3)]).ships(),
    call(83, "mkdir", &[Path(0)]).ships(),
    call(258, "mkdirat", &[Path(1)]).ships(),
    call(84, "rmdir", &[Path(0)]).ships(),
    call(86, "link", &[Path(0), Path(1)]).ships().self_exe(),
    call(265, "linkat", &[Path(1), Path(3)]).ships().self_exe(),
    call(87, "unlink", &[Path(0)]).ships(),
    call(263, "unlinkat", &[Path(1)]).ships(),
    call(88, "symlink", &[Path(0), Path(1)]).ships(),
    call(266, "symlinkat", &[Path(0), Path(2)]).ships(),
    call(133, "mknod", &[Path(0)]).ships(),
    call(259, "mknodat", &[Path(1)]).ships(),

    // Attributes.
    call(76, "truncate", &[Path(0)]).ships(),
    call(90, "chmod", &[Path(0)]).ships(),
    call(268, "fchmodat", &[Path(1)]).ships(),
    call(452, "fchmodat2", &[Path(1)]).ships(),
    call(92, "chown", &[Path(0)]).ships(),
    call(94, "lchown", &[Path(0)]).ships(),
    call(260, "fchownat", &[Path(1)]).ships(),
    call(132, "utime", &[Path(0), In(1, Fixed(16))]).ships(),
    call(235, "utimes", &[Path(0), In(1, Fixed(2 * TIME))]).ships(),
    call(261, "futimesat", &[Path(1), In(2, Fixed(2 * TIME))]).ships(),
    call(280, "utimensat", &[Path(1), In(2, Fixed(2 * TIME))]).ships(),

    // Extended attributes.
    call(188, "setxattr", &[Path(0), Text(1, XATTR_NAME), In(2, Bytes(3))]).ships(),
    call(189, "lsetxattr", &[Path(0), Text(1, XATTR_NAME), In(2, Bytes(3))]).ships(),
    call(191, "getxattr", &[Path(0), Text(1, XATTR_NAME), Out(2, Got(3))]).ships().self_exe(),
    call(192, "lgetxattr", &[Path(0), Text(1, XATTR_NAME), Out(2, Got(3))]).ships().self_exe(),
    call(194, "listxattr", &[Path(0), Out(1, Got(2))]).ships().self_exe(),
    call(195, "llistxattr", &[Path(0), Out(1, Got(2))]).ships().self_exe(),
    call(197, "removexattr", &[Path(0), Text(1, XATTR_NAME)]).ships(),
    call(198, "lremovexattr", &[Path(0), Text(1, XATTR_NAME)]).ships(),
    call(463, "setxattrat", &[Path(1), Text(3, XATTR_NAME), By(setxattrat)]),
    call(464, "getxattrat", &[Path(1), Text(3, XATTR_NAME), By(getxattrat)]).self_exe(),
    call(465, "listxattrat", &[Path(1), Out(3, Got(4))]).ships().self_exe(),
    call(466, "removexattrat", &[Path(1), Text(3, XATTR_NAME)]).ships(),
];
