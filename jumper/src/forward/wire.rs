//! Bytes on the wire. Little endian, no padding.
//!
//! ```text
//! request  u16 number, u8 flags, u8 count, 6 x u64 arguments, count x segment, bytes the kernel reads (in segment order)
//! reply    i64 result, u8 flags, u8 count, count x segment, bytes the kernel wrote (in segment order)
//! segment  u8 argument, u8 direction, u32 length in bytes
//! ```

use super::ForwardError;
use crate::gateway::Dir;

/// The request is one piece of a longer read or write.
pub(super) const CUT: u8 = 1;
/// The argument is an iovec array, flattened to one buffer.
pub(super) const VECTOR: u8 = 2;
/// The piece was moved in full and the kernel would have gone on.
const MORE: u8 = 4;

const REQUEST_HEAD: usize = 4 + 6 * 8;
const REPLY_HEAD: usize = 10;
const SEGMENT: usize = 6;
/// A call has six arguments.
pub(super) const SEGMENTS_MAX: usize = 6;

/// The buffer of one pointer argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Segment<'a> {
    pub arg: u8,
    pub dir: Dir,
    /// Length in bytes.
    pub len: u32,
    /// Those `len` bytes, where this message carries them; else empty.
    pub bytes: &'a [u8],
}

/// A request, decoded and not yet believed.
pub(super) struct Request<'a> {
    pub number: u64,
    pub flags: u8,
    pub args: [u64; 6],
    segments: Segments<'a>,
}

/// A reply, decoded.
pub(super) struct Reply<'a> {
    pub result: i64,
    segments: Segments<'a>,
}

struct Segments<'a> {
    list: [Segment<'a>; SEGMENTS_MAX],
    count: usize,
}

impl<'a> Request<'a> {
    pub fn decode(message: &'a [u8]) -> Result<Request<'a>, ForwardError> {
        let mut cursor = Cursor { message, at: 0 };
        let number = u16::from_le_bytes(cursor.take()?).into();
        let [flags, count] = cursor.take()?;
        let mut args = [0; 6];
        for arg in &mut args {
            *arg = u64::from_le_bytes(cursor.take()?);
        }
        let segments = cursor.segments(count, Dir::reads)?;
        cursor.end()?;
        Ok(Request { number, flags, args, segments })
    }

    pub fn segments(&self) -> &[Segment<'a>] {
        &self.segments.list[..self.segments.count]
    }
}

impl<'a> Reply<'a> {
    pub fn decode(message: &'a [u8]) -> Result<Reply<'a>, ForwardError> {
        let mut cursor = Cursor { message, at: 0 };
        let result = i64::from_le_bytes(cursor.take()?);
        let [_flags, count] = cursor.take()?;
        let segments = cursor.segments(count, Dir::writes)?;
        cursor.end()?;
        Ok(Reply { result, segments })
    }

    pub fn segments(&self) -> &[Segment<'a>] {
        &self.segments.list[..self.segments.count]
    }
}

/// True when `reply` answers one piece of a longer read or write that the kernel would not have ended here: ship the rest.
/// Reads only go on at a regular file or block device, where they cannot block or lose a message boundary.
pub fn must_continue(reply: &[u8]) -> bool {
    reply.get(8).is_some_and(|flags| flags & MORE != 0)
}

/// Appends a request without its bytes. Returns where it begins.
pub(super) fn put_request(
    into: &mut Vec<u8>,
    number: u16,
    flags: u8,
    args: &[u64; 6],
    segments: &[Segment<'_>],
) -> usize {
    let start = into.len();
    into.extend_from_slice(&number.to_le_bytes());
    into.extend_from_slice(&[flags, segments.len() as u8]);
    args.iter().for_each(|arg| into.extend_from_slice(&arg.to_le_bytes()));
    put_segments(into, segments);
    start
}

/// Changes one argument, and the length of segment `index`, of the request at `start`.
pub(super) fn shorten(into: &mut [u8], start: usize, arg: usize, index: usize, len: u32) {
    let arg_at = start + 4 + 8 * arg;
    into[arg_at..arg_at + 8].copy_from_slice(&u64::from(len).to_le_bytes());
    shorten_segment(into, start, index, len);
}

/// Changes the length of segment `index` of the request at `start`.
pub(super) fn shorten_segment(into: &mut [u8], start: usize, index: usize, len: u32) {
    let len_at = start + REQUEST_HEAD + SEGMENT * index + 2;
    into[len_at..len_at + 4].copy_from_slice(&len.to_le_bytes());
}

/// Appends a reply with its bytes.
pub(super) fn put_reply(into: &mut Vec<u8>, result: i64, more: bool, segments: &[Segment<'_>]) {
    into.reserve(REPLY_HEAD + segments.iter().map(|segment| SEGMENT + segment.bytes.len()).sum::<usize>());
    into.extend_from_slice(&result.to_le_bytes());
    into.extend_from_slice(&[if more { MORE } else { 0 }, segments.len() as u8]);
    put_segments(into, segments);
    segments.iter().for_each(|segment| into.extend_from_slice(segment.bytes));
}

fn put_segments(into: &mut Vec<u8>, segments: &[Segment<'_>]) {
    for Segment { arg, dir, len, .. } in segments {
        into.extend_from_slice(&[*arg, *dir as u8]);
        into.extend_from_slice(&len.to_le_bytes());
    }
}

/// A reader that cannot leave its message.
struct Cursor<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn slice(&mut self, len: usize) -> Result<&'a [u8], ForwardError> {
        let need = self.at.saturating_add(len);
        let bytes = self.message.get(self.at..need);
        self.at = need;
        bytes.ok_or(ForwardError::Length { need, have: self.message.len() })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ForwardError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.slice(N)?);
        Ok(bytes)
    }

    /// The segment list, and the bytes of those whose direction says that they are here.
    fn segments(&mut self, count: u8, carried: fn(Dir) -> bool) -> Result<Segments<'a>, ForwardError> {
        let count = usize::from(count);
        let none = Segment { arg: 0, dir: Dir::In, len: 0, bytes: &[] };
        let mut list = [none; SEGMENTS_MAX];
        for segment in list.get_mut(..count).ok_or(ForwardError::Header)? {
            let [arg, dir] = self.take()?;
            let dir = [Dir::In, Dir::Out, Dir::InOut]
                .into_iter()
                .find(|known| *known as u8 == dir)
                .ok_or(ForwardError::Header)?;
            *segment = Segment { arg: arg.min(5), dir, len: u32::from_le_bytes(self.take()?), bytes: &[] };
        }
        for segment in list[..count].iter_mut().filter(|segment| carried(segment.dir)) {
            segment.bytes = self.slice(segment.len as usize)?;
        }
        Ok(Segments { list, count })
    }

    fn end(&self) -> Result<(), ForwardError> {
        let (need, have) = (self.at, self.message.len());
        if need == have { Ok(()) } else { Err(ForwardError::Length { need, have }) }
    }
}
