//! Buffers of the deputy that stand in for the app's.

use super::ForwardError;
use super::wire::{Request, SEGMENTS_MAX, Segment, VECTOR};
use crate::gateway::{Call, Dir, Fault, GuestMemory, Ranges, ranges};

/// Memory for the buffers of one forwarded call at a time. Kept from call to call, so that it is allocated once; it has the
/// size of the largest call so far (a little over 16 MiB at most).
#[derive(Default)]
pub struct Staging {
    /// 16 bytes each, so that every buffer is aligned for any kernel structure.
    units: Vec<u128>,
}

const UNIT: usize = size_of::<u128>();
/// Bytes of a buffer that are cleared before a call.
const CLEARED_MAX: usize = 4096;

impl Staging {
    /// Without memory; it comes with the first call.
    pub fn new() -> Staging {
        Staging::default()
    }

    /// Copies in what the kernel will read, clears what it will write, and returns the arguments with the addresses of the
    /// buffers. They hold until the next call of any method. The caller has [`check`]ed the request.
    pub(super) fn place(&mut self, request: &Request<'_>) -> [u64; 6] {
        let segments = request.segments();
        self.grow(unit_of(segments, SEGMENTS_MAX) + 1);
        for (index, segment) in segments.iter().enumerate() {
            let staged = self.bytes_mut(segments, index);
            match segment.bytes {
                // Structures could be answered with bytes of an earlier call otherwise. They are smaller than this; of larger
                // buffers only what the result counts is sent back.
                [] => staged[..(segment.len as usize).min(CLEARED_MAX)].fill(0),
                bytes => staged.copy_from_slice(bytes),
            }
        }
        if let (true, [segment]) = (request.flags & VECTOR != 0, segments) {
            // An iovec array of one entry, behind the buffer.
            self.units[unit_of(segments, 1)] = u128::from(self.addr(0)) | u128::from(segment.len) << 64;
        }
        let mut args = request.args;
        for (index, segment) in segments.iter().enumerate() {
            let arg = usize::from(segment.arg);
            args[arg] = self.addr(unit_of(segments, index));
            if request.flags & VECTOR != 0 {
                (args[arg], args[arg + 1]) = (self.addr(unit_of(segments, 1)), 1);
            }
        }
        self.units.as_mut_ptr().expose_provenance(); // the kernel writes there next
        args
    }

    fn addr(&self, unit: usize) -> u64 {
        (self.units.as_ptr().addr() + unit * UNIT) as u64
    }

    /// The buffer of segment `index`.
    pub(super) fn bytes(&self, segments: &[Segment<'_>], index: usize) -> &[u8] {
        let unit = unit_of(segments, index);
        &bytes_of(&self.units[unit..])[..segments[index].len as usize]
    }

    fn bytes_mut(&mut self, segments: &[Segment<'_>], index: usize) -> &mut [u8] {
        let unit = unit_of(segments, index);
        let last = unit_of(segments, index + 1);
        self.units[last - 1] = 0; // a string without its NUL ends here
        &mut bytes_of_mut(&mut self.units[unit..last])[..segments[index].len as usize]
    }

    fn grow(&mut self, units: usize) {
        if self.units.len() < units {
            self.units.resize(units, 0);
        }
    }
}

/// The unit at which segment `index` begins, or the first free one. Each segment has at least one zero byte behind it.
fn unit_of(segments: &[Segment<'_>], index: usize) -> usize {
    segments.iter().take(index).map(|segment| segment.len as usize / UNIT + 1).sum()
}

fn bytes_of(units: &[u128]) -> &[u8] {
    // SAFETY: every byte of an initialised u128 is an initialised u8, u8 has no alignment, and the length is the same memory's.
    unsafe { std::slice::from_raw_parts(units.as_ptr().cast(), size_of_val(units)) }
}

fn bytes_of_mut(units: &mut [u128]) -> &mut [u8] {
    // SAFETY: as in `bytes_of`; any bytes make a valid u128, and the borrow of `units` is held by the result.
    unsafe { std::slice::from_raw_parts_mut(units.as_mut_ptr().cast(), size_of_val(units)) }
}

/// Checks that the segments are those that the table names for these arguments: no argument that the kernel takes for an
/// address of so many bytes may lack a buffer of that size.
pub(super) fn check(call: &Call, request: &Request<'_>) -> Result<(), ForwardError> {
    let wrong = ForwardError::Buffers { name: call.name };
    let fits = match call.vector() {
        Some((arg, _, dir)) => vector_fits(request, arg as u8, dir),
        None => request.flags & VECTOR == 0 && flat_fits(call, request),
    };
    if fits { Ok(()) } else { Err(wrong) }
}

fn vector_fits(request: &Request<'_>, arg: u8, dir: Dir) -> bool {
    let fits =
        |segment: &Segment<'_>| segment.arg == arg && segment.dir == dir && u64::from(segment.len) <= super::PIECE_MAX;
    request.flags & VECTOR != 0 && matches!(request.segments(), [segment] if fits(segment))
}

fn flat_fits(call: &Call, request: &Request<'_>) -> bool {
    let mut found = Ranges::new();
    if ranges(call, &request.args, &mut Shipped(request), &mut found).is_err() || !found.flat() {
        return false;
    }
    let total = found.as_slice().iter().fold(0_u64, |sum, range| sum.saturating_add(range.len));
    let same = |(range, segment): (&crate::gateway::Range, &Segment<'_>)| {
        (range.arg, range.dir, range.len) == (Some(segment.arg), segment.dir, u64::from(segment.len))
    };
    total <= super::BUFFERS_MAX
        && found.as_slice().len() == request.segments().len()
        && found.as_slice().iter().zip(request.segments()).all(same)
}

/// The app's memory as far as it came with the request, followed by zeros.
struct Shipped<'a, 'b>(&'a Request<'b>);

impl GuestMemory for Shipped<'_, '_> {
    fn read(&mut self, addr: u64, into: &mut [u8]) -> Result<(), Fault> {
        let from = |segment: &Segment<'_>| addr.checked_sub(self.0.args[usize::from(segment.arg)]);
        let tails = self.0.segments().iter().filter_map(|segment| {
            let from = usize::try_from(from(segment)?).ok()?;
            segment.bytes.get(from..).filter(|tail| !tail.is_empty())
        });
        let tail = tails.max_by_key(|tail| tail.len()).ok_or(Fault { addr })?;
        let n = tail.len().min(into.len());
        into[..n].copy_from_slice(&tail[..n]);
        into[n..].fill(0);
        Ok(())
    }

    fn write(&mut self, addr: u64, _bytes: &[u8]) -> Result<(), Fault> {
        Err(Fault { addr })
    }
}
