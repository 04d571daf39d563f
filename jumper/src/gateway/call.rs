//! The words of the system-call table: what one entry says about one call.

use super::guest::Fault;
use super::walk::Walk;

/// Longest path in bytes, NUL included (`PATH_MAX`).
pub const PATH_MAX: u32 = 4096;
/// Most bytes that one read or write moves (`MAX_RW_COUNT` in linux/fs.h).
pub const MAX_RW_COUNT: u64 = 0x7fff_f000;
/// Most entries of an iovec array (`UIO_MAXIOV`).
pub const IOV_MAX: u64 = 1024;

/// Which way bytes go, seen from the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dir {
    /// The kernel reads the bytes.
    In,
    /// The kernel writes the bytes and, when the call succeeds, leaves none of them (or none of those that the
    /// result counts) as it was.
    Out,
    /// The kernel reads and writes them, or may write some and leave others.
    InOut,
}

impl Dir {
    /// The kernel may write: the pages must be writable.
    pub fn writes(self) -> bool {
        self != Dir::In
    }

    /// The bytes there now matter to the call, or to the app after it.
    pub fn reads(self) -> bool {
        self != Dir::Out
    }
}

/// How many bytes a pointer argument points to. `u8` fields are argument numbers, 0 to 5.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// This many bytes.
    Fixed(u32),
    /// As many bytes as this argument says (`size_t`).
    Bytes(u8),
    /// As many bytes as this argument says (32 bits: `int`, `unsigned`, `socklen_t`).
    Int(u8),
    /// As many items as the argument says (32 bits), each of that many bytes.
    Items(u8, u32),
    /// As many bytes as the `u32` says that this pointer argument points to (`socklen_t *`).
    LenAt(u8),
    /// The buffer of a read or write: bytes in this argument, cut at [`MAX_RW_COUNT`]. The kernel may move fewer, and
    /// the result says how many.
    Rw(u8),
    /// A buffer of as many bytes as this argument says, cut at [`MAX_RW_COUNT`]; the result says how many were used.
    Got(u8),
    /// A buffer for as many items as the argument says (32 bits), of so many bytes each; the result counts those filled.
    GotItems(u8, u32),
}

/// Adds the ranges of arguments whose meaning depends on other arguments, or that lead to further pointers.
pub type Rule = fn(&mut Walk<'_>) -> Result<(), Fault>;

/// What one argument (or a group of them) points to. The first field is the argument number, 0 to 5.
#[derive(Clone, Copy, Debug)]
pub enum Pointer {
    /// Bytes that the kernel reads.
    In(u8, Shape),
    /// Bytes that the kernel writes; see [`Dir::Out`].
    Out(u8, Shape),
    /// Bytes that the kernel reads and writes; see [`Dir::InOut`].
    InOut(u8, Shape),
    /// A NUL-terminated path of at most [`PATH_MAX`] bytes.
    Path(u8),
    /// Any other NUL-terminated string, of at most this many bytes with the NUL.
    Text(u8, u32),
    /// An iovec array and the argument with its count; the kernel reads the buffers (writev).
    IovIn(u8, u8),
    /// The same, and the kernel writes the buffers (readv).
    IovOut(u8, u8),
    /// Anything else.
    By(Rule),
}

/// Who carries the call out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// The gateway runs it natively after its ranges were made resident.
    Plain,
    /// It changes or inspects the memory map: the runtime does it, and logs it for the other nodes.
    Memory,
    /// It makes, replaces or ends a process or thread.
    Process,
    /// It is about signal handlers, masks or stacks, which the runtime keeps for the app.
    Signal,
    /// It sets per-thread state that the kernel or the runtime's own thread library uses.
    Thread,
    /// It is answered with this errno (positive) without asking the kernel, since the kernel would read or write app
    /// memory on its own, or the runtime could not live with the effect.
    Refused(i32),
}

/// One system call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Number in the x86-64 table.
    pub number: u16,
    /// Name as in the kernel's table.
    pub name: &'static str,
    /// Who carries it out. [`class_of`](super::class_of) refines it by the arguments.
    pub class: Class,
    /// A deputy may execute it with staged buffers. [`ships`](super::ships) refines it by the arguments.
    pub forward: bool,
    /// It takes a path that may be `/proc/self/exe`, which the runtime replaces by the program's own path.
    pub self_exe: bool,
    /// Its pointer arguments.
    pub pointers: &'static [Pointer],
}

/// A plain call that is not forwarded; the methods below change that.
pub(super) const fn call(number: u16, name: &'static str, pointers: &'static [Pointer]) -> Call {
    Call { number, name, class: Class::Plain, forward: false, self_exe: false, pointers }
}

impl Call {
    pub(super) const fn ships(self) -> Call {
        Call { forward: true, ..self }
    }
    pub(super) const fn self_exe(self) -> Call {
        Call { self_exe: true, ..self }
    }
    pub(super) const fn memory(self) -> Call {
        Call { class: Class::Memory, ..self }
    }
    pub(super) const fn process(self) -> Call {
        Call { class: Class::Process, ..self }
    }
    pub(super) const fn signal(self) -> Call {
        Call { class: Class::Signal, ..self }
    }
    pub(super) const fn thread(self) -> Call {
        Call { class: Class::Thread, ..self }
    }
    pub(super) const fn refused(self, errno: i32) -> Call {
        Call { class: Class::Refused(errno), ..self }
    }

    /// The buffer of a read- or write-like call: its argument, the argument with its length, its direction.
    pub fn transfer(&self) -> Option<(usize, usize, Dir)> {
        self.pointers.iter().find_map(|pointer| match *pointer {
            Pointer::In(arg, Shape::Rw(len)) => Some((arg.into(), len.into(), Dir::In)),
            Pointer::Out(arg, Shape::Rw(len)) => Some((arg.into(), len.into(), Dir::Out)),
            _ => None,
        })
    }

    /// The iovec array of a readv- or writev-like call: its argument, the argument with its count, its direction.
    pub fn vector(&self) -> Option<(usize, usize, Dir)> {
        self.pointers.iter().find_map(|pointer| match *pointer {
            Pointer::IovIn(arg, count) => Some((arg.into(), count.into(), Dir::In)),
            Pointer::IovOut(arg, count) => Some((arg.into(), count.into(), Dir::Out)),
            _ => None,
        })
    }
}
