//! ioctl(2): by the request number, whose upper half tells direction and size in all but the oldest requests.

use super::call::{Dir, IOV_MAX};
use super::guest::Fault;
use super::walk::Walk;

/// Requests whose number says nothing, or the wrong thing, about what argument 2 points to: `(first, last, direction, bytes)`.
/// 0 bytes: the argument is an integer, or there is none. Source: ioctl_tty(2), netdevice(7), linux/fs.h, and the handlers.
#[rustfmt::skip]
const KNOWN: &[(u32, u32, Dir, u64)] = &[
    (0x5401, 0x5401, Dir::InOut, 36),  // TCGETS (the kernel's termios)
    (0x5402, 0x5404, Dir::In, 36),     // TCSETS, TCSETSW, TCSETSF
    (0x5405, 0x5405, Dir::InOut, 18),  // TCGETA
    (0x5406, 0x5408, Dir::In, 18),     // TCSETA, TCSETAW, TCSETAF
    (0x5409, 0x540e, Dir::In, 0),      // TCSBRK, TCXONC, TCFLSH, TIOCEXCL, TIOCNXCL, TIOCSCTTY
    (0x540f, 0x540f, Dir::InOut, 4),   // TIOCGPGRP
    (0x5410, 0x5410, Dir::In, 4),      // TIOCSPGRP
    (0x5411, 0x5411, Dir::InOut, 4),   // TIOCOUTQ
    (0x5412, 0x5412, Dir::In, 1),      // TIOCSTI
    (0x5413, 0x5413, Dir::InOut, 8),   // TIOCGWINSZ
    (0x5414, 0x5414, Dir::In, 8),      // TIOCSWINSZ
    (0x5415, 0x5415, Dir::InOut, 4),   // TIOCMGET
    (0x5416, 0x5418, Dir::In, 4),      // TIOCMBIS, TIOCMBIC, TIOCMSET
    (0x5419, 0x5419, Dir::InOut, 4),   // TIOCGSOFTCAR
    (0x541a, 0x541a, Dir::In, 4),      // TIOCSSOFTCAR
    (0x541b, 0x541b, Dir::InOut, 4),   // FIONREAD
    (0x541d, 0x541d, Dir::In, 0),      // TIOCCONS
    (0x541e, 0x541e, Dir::InOut, 72),  // TIOCGSERIAL
    (0x541f, 0x541f, Dir::In, 72),     // TIOCSSERIAL
    (0x5420, 0x5421, Dir::In, 4),      // TIOCPKT, FIONBIO
    (0x5422, 0x5422, Dir::In, 0),      // TIOCNOTTY
    (0x5423, 0x5423, Dir::In, 4),      // TIOCSETD
    (0x5424, 0x5424, Dir::InOut, 4),   // TIOCGETD
    (0x5425, 0x5428, Dir::In, 0),      // TCSBRKP, TIOCSBRK, TIOCCBRK
    (0x5429, 0x5429, Dir::InOut, 4),   // TIOCGSID
    (0x542e, 0x542f, Dir::InOut, 32),  // TIOCGRS485, TIOCSRS485
    (0x5432, 0x5435, Dir::InOut, 16),  // TCGETX to TCSETXW
    (0x5437, 0x5437, Dir::In, 0),      // TIOCVHANGUP
    (0x5441, 0x5441, Dir::In, 0),      // TIOCGPTPEER
    (0x5450, 0x5451, Dir::In, 0),      // FIONCLEX, FIOCLEX
    (0x5452, 0x5452, Dir::In, 4),      // FIOASYNC
    (0x5456, 0x5457, Dir::InOut, 36),  // TIOCGLCKTRMIOS, TIOCSLCKTRMIOS
    (0x5459, 0x5459, Dir::InOut, 4),   // TIOCSERGETLSR
    (0x545c, 0x545c, Dir::In, 0),      // TIOCMIWAIT
    (0x545d, 0x545d, Dir::InOut, 80),  // TIOCGICOUNT
    (0x5460, 0x5460, Dir::InOut, 8),   // FIOQSIZE
    (0x802c_542a, 0x802c_542a, Dir::InOut, 44), // TCGETS2
    (0x402c_542b, 0x402c_542d, Dir::In, 44),    // TCSETS2, TCSETSW2, TCSETSF2
    (0x8004_5430, 0x8004_5430, Dir::InOut, 4),  // TIOCGPTN
    (0x4004_5431, 0x4004_5431, Dir::In, 4),     // TIOCSPTLCK
    (0x4004_5436, 0x4004_5436, Dir::In, 0), // TIOCSIG: the number is passed by value
    (0x0001, 0x0002, Dir::InOut, 4),   // FIBMAP, FIGETBSZ
    (0x125d, 0x125d, Dir::In, 4),      // BLKROSET
    (0x125e, 0x125e, Dir::InOut, 4),   // BLKROGET
    (0x125f, 0x125f, Dir::In, 0),      // BLKRRPART
    (0x1260, 0x1260, Dir::InOut, 8),   // BLKGETSIZE
    (0x1261, 0x1262, Dir::In, 0),      // BLKFLSBUF, BLKRASET
    (0x1263, 0x1263, Dir::InOut, 8),   // BLKRAGET
    (0x1264, 0x1264, Dir::In, 0),      // BLKFRASET
    (0x1265, 0x1265, Dir::InOut, 8),   // BLKFRAGET
    (0x1267, 0x1267, Dir::InOut, 2),   // BLKSECTGET
    (0x1268, 0x1268, Dir::InOut, 4),   // BLKSSZGET
    (0x1277, 0x1277, Dir::In, 16),     // BLKDISCARD
    (0x1278, 0x127c, Dir::InOut, 4),   // BLKIOMIN to BLKDISCARDZEROES
    (0x127d, 0x127d, Dir::In, 16),     // BLKSECDISCARD
    (0x127e, 0x127e, Dir::InOut, 2),   // BLKROTATIONAL
    (0x127f, 0x127f, Dir::In, 16),     // BLKZEROOUT
    (0x8008_6601, 0x8008_6601, Dir::InOut, 4), // FS_IOC_GETFLAGS says long and moves an int
    (0x4008_6602, 0x4008_6602, Dir::In, 4),    // FS_IOC_SETFLAGS
    (0x8008_7601, 0x8008_7601, Dir::InOut, 4), // FS_IOC_GETVERSION
    (0x4008_7602, 0x4008_7602, Dir::In, 4),    // FS_IOC_SETVERSION
    (0x4004_9409, 0x4004_9409, Dir::In, 0),    // FICLONE: a descriptor by value
    (0x8901, 0x8902, Dir::In, 4),      // FIOSETOWN, SIOCSPGRP
    (0x8903, 0x8905, Dir::InOut, 4),   // FIOGETOWN, SIOCGPGRP, SIOCATMARK
    (0x8906, 0x8907, Dir::InOut, 16),  // SIOCGSTAMP, SIOCGSTAMPNS
    (0x890b, 0x890c, Dir::In, 120),    // SIOCADDRT, SIOCDELRT (rtentry; the device name it points to is not followed)
    (0x8910, 0x8911, Dir::InOut, 40),  // SIOCGIFNAME and on: struct ifreq
    (0x8913, 0x8945, Dir::InOut, 40),
    (0x8947, 0x894a, Dir::InOut, 40),
    (0x894b, 0x894b, Dir::InOut, 4),   // SIOCOUTQNSD
    (0x8953, 0x8955, Dir::InOut, 68),  // SIOCDARP, SIOCGARP, SIOCSARP
    (0x8970, 0x8971, Dir::InOut, 40),  // SIOCGIFMAP, SIOCSIFMAP
    (0x89a2, 0x89a3, Dir::InOut, 40),  // SIOCBRADDIF, SIOCBRDELIF
];

const SIOCGIFCONF: u32 = 0x8912;
const SG_IO: u32 = 0x2285;
const FS_IOC_FIEMAP: u32 = 0xc020_660b;
const FIDEDUPERANGE: u32 = 0xc018_9436;
/// The tun driver: its numbers name an `int` where a struct ifreq is meant, or pass values. `'T'`, 200 to 226.
const TUN: std::ops::RangeInclusive<u32> = 0x54c8..=0x54e2;
/// Bytes to make resident at the argument of a request that nobody knows.
const UNKNOWN_LEN: u64 = 4096;

pub(super) fn ioctl(walk: &mut Walk<'_>) -> Result<(), Fault> {
    let request = walk.arg32(1);
    if let Some((_, _, dir, len)) = known(request) {
        walk.direct(2, len, dir);
        return Ok(());
    }
    match request {
        SIOCGIFCONF => counted_buffer(walk),
        SG_IO => sg_io(walk),
        FS_IOC_FIEMAP => sized_tail(walk, 24, 32, 56),
        FIDEDUPERANGE => sized_tail(walk, 16, 24, 32),
        _ => {
            by_number(walk, request);
            Ok(())
        }
    }
}

fn known(request: u32) -> Option<(u32, u32, Dir, u64)> {
    KNOWN.iter().copied().find(|(first, last, ..)| (*first..=*last).contains(&request))
}

/// True when the table says exactly what the request touches, so that a deputy may do it. A request that is only known by
/// its number may hold further pointers, and some of the network's do.
pub(super) fn ships(request: u64) -> bool {
    let request = request as u32;
    known(request).is_some() && !(0x8908..=0x89ff).contains(&request)
}

/// `_IOC`: 2 bits of direction, 14 bits of size, type, number. No direction or no size: the argument may be anything.
fn by_number(walk: &mut Walk<'_>, request: u32) {
    let len = u64::from(request >> 16 & 0x3fff);
    let tun = TUN.contains(&(request & 0xffff));
    walk.guess(2, if len == 0 || tun || request >> 30 == 0 { UNKNOWN_LEN } else { len });
}

/// `struct ifconf { int len; char *buf; }`.
fn counted_buffer(walk: &mut Walk<'_>) -> Result<(), Fault> {
    walk.direct(2, 16, Dir::InOut);
    let [len, buffer] = walk.read_u64s(walk.arg(2))?;
    walk.nested(buffer, u64::from(len as u32), Dir::InOut);
    Ok(())
}

/// A header of `header` bytes whose `u32` (or `u16`, zero-extended) at `count_at` counts the items of `item` bytes after it.
fn sized_tail(walk: &mut Walk<'_>, count_at: u64, header: u64, item: u64) -> Result<(), Fault> {
    let count = walk.read_u32(walk.arg(2).saturating_add(count_at))?;
    walk.direct(2, header + u64::from(count) * item, Dir::InOut);
    Ok(())
}

/// `struct sg_io_hdr` of scsi/sg.h: data, command and sense buffers.
fn sg_io(walk: &mut Walk<'_>) -> Result<(), Fault> {
    walk.direct(2, 88, Dir::InOut);
    let [_id_and_direction, lens, data, command, sense] = walk.read_u64s(walk.arg(2))?;
    let data_len = lens >> 32;
    let iovecs = lens >> 16 & 0xffff;
    if iovecs == 0 {
        walk.nested(data, data_len, Dir::InOut);
    } else {
        walk.nested(data, 16 * iovecs.min(IOV_MAX), Dir::In);
        walk.buffers(data, iovecs, Dir::InOut)?;
    }
    walk.nested(command, lens & 0xff, Dir::In);
    walk.nested(sense, lens >> 8 & 0xff, Dir::InOut);
    Ok(())
}
