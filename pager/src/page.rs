//! Page numbers and ranges of pages of the program's half of the address space.

use std::ops::Range;

/// Bytes of a page.
pub const PAGE_SIZE: u64 = 4096;
/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;
/// Lowest address of the program's half.
pub const APP_START: u64 = 0x1_0000;
/// First address above the program's half; the runtime lives from here up.
pub const APP_END: u64 = 0x5000_0000_0000;
/// Bytes of a chunk, the grain of registration, of affinity and of [`touched`](crate::table) marks.
pub const CHUNK_SIZE: u64 = 2 << 20;
/// Pages of a chunk.
pub const CHUNK_PAGES: u64 = CHUNK_SIZE >> PAGE_SHIFT;
/// Number of pages below [`APP_END`].
pub const APP_PAGES: u64 = APP_END >> PAGE_SHIFT;
/// Number of chunks below [`APP_END`].
pub const APP_CHUNKS: u64 = APP_PAGES / CHUNK_PAGES;

/// Number of a page: its address divided by [`PAGE_SIZE`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PageNumber(pub u64);

impl PageNumber {
    /// The page that holds the byte at `addr`.
    #[must_use]
    pub const fn from_addr(addr: u64) -> Self {
        Self(addr >> PAGE_SHIFT)
    }

    /// Address of the page's first byte.
    #[must_use]
    pub const fn addr(self) -> u64 {
        self.0 << PAGE_SHIFT
    }

    /// The page after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Number of the 2 MiB chunk that holds the page.
    #[must_use]
    pub const fn chunk(self) -> u64 {
        self.0 / CHUNK_PAGES
    }

    /// Whether the page lies in the program's half (page 0 to [`APP_START`] included: the table has entries for them).
    #[must_use]
    pub const fn in_app_half(self) -> bool {
        self.0 < APP_PAGES
    }
}

/// Pages from `start` up to, and without, `end`. Empty if `end <= start`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PageRange {
    /// First page.
    pub start: PageNumber,
    /// The page after the last.
    pub end: PageNumber,
}

impl PageRange {
    /// Every page of the program's half.
    pub const APP: Self = Self { start: PageNumber(0), end: PageNumber(APP_PAGES) };

    /// From `start` up to, and without, `end`.
    #[must_use]
    pub const fn new(start: PageNumber, end: PageNumber) -> Self {
        Self { start, end }
    }

    /// The one page.
    #[must_use]
    pub const fn single(page: PageNumber) -> Self {
        Self { start: page, end: page.next() }
    }

    /// All pages that hold a byte of `addresses`.
    #[must_use]
    pub const fn covering(addresses: &Range<u64>) -> Self {
        if addresses.end <= addresses.start {
            return Self::new(PageNumber::from_addr(addresses.start), PageNumber::from_addr(addresses.start));
        }
        Self::new(PageNumber::from_addr(addresses.start), PageNumber::from_addr(addresses.end - 1).next())
    }

    /// All pages of chunk `chunk`.
    #[must_use]
    pub const fn of_chunk(chunk: u64) -> Self {
        Self::new(PageNumber(chunk * CHUNK_PAGES), PageNumber((chunk + 1) * CHUNK_PAGES))
    }

    /// Number of pages.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Number of bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.count() << PAGE_SHIFT
    }

    /// Whether there is no page in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether `page` is one of the pages.
    #[must_use]
    pub const fn contains(&self, page: PageNumber) -> bool {
        self.start.0 <= page.0 && page.0 < self.end.0
    }

    /// The first `count` pages, and the others.
    #[must_use]
    pub fn split_at(&self, count: u64) -> (Self, Self) {
        let middle = PageNumber(self.start.0 + count).min(self.end);
        (Self::new(self.start, middle), Self::new(middle, self.end))
    }

    /// The pages that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// The pages, in ascending order.
    pub fn pages(&self) -> impl DoubleEndedIterator<Item = PageNumber> + use<> {
        (self.start.0..self.end.0).map(PageNumber)
    }

    /// The numbers of the chunks that hold a page of the range, in ascending order.
    #[must_use]
    pub fn chunks(&self) -> Range<u64> {
        if self.is_empty() {
            return 0..0;
        }
        self.start.chunk()..PageNumber(self.end.0 - 1).chunk() + 1
    }

    /// The addresses of all bytes of the pages.
    #[must_use]
    pub const fn addresses(&self) -> Range<u64> {
        self.start.addr()..self.end.addr()
    }
}

impl IntoIterator for PageRange {
    type Item = PageNumber;
    type IntoIter = std::iter::Map<Range<u64>, fn(u64) -> PageNumber>;

    fn into_iter(self) -> Self::IntoIter {
        (self.start.0..self.end.0).map(PageNumber as fn(u64) -> PageNumber)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_covering_range_holds_the_pages_of_the_first_and_the_last_byte() {
        let range = PageRange::covering(&(0x1fff..0x3001));
        assert_eq!(range, PageRange::new(PageNumber(1), PageNumber(4)));
        assert!(PageRange::covering(&(0x1000..0x1000)).is_empty());
    }

    #[test]
    fn chunks_of_a_range_are_those_with_a_page_in_it() {
        assert_eq!(PageRange::new(PageNumber(511), PageNumber(513)).chunks(), 0..2);
        assert_eq!(PageRange::new(PageNumber(512), PageNumber(1024)).chunks(), 1..2);
        assert_eq!(PageRange::new(PageNumber(5), PageNumber(5)).chunks(), 0..0);
    }
}
