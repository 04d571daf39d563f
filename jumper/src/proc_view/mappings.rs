//! `maps` and `smaps` (proc_pid_maps(5), proc_pid_smaps(5)): the program's half, with the files behind memory that is a copy of them.

use std::fmt::Write;
use std::ops::Range;

use eos_pager::page::APP_END;

/// Column at which the kernel puts names.
const NAME_COLUMN: usize = 73;

/// What the kernel does not know of the program's mappings.
#[derive(Debug, Default)]
pub struct Known {
    /// Where the heap is, in bytes.
    pub heap: Range<u64>,
    /// The highest page of the stack.
    pub stack: u64,
    /// What the program takes for the vDSO.
    pub vdso: u64,
    /// Memory with a file's bytes, in ascending order: its addresses, and where in the runtime's half the file itself is mapped.
    pub copies: Vec<(Range<u64>, u64)>,
}

/// One line of `maps`, or the first of a block of `smaps`.
#[derive(Clone, Debug)]
struct Line<'a> {
    range: Range<u64>,
    access: &'a str,
    offset: u64,
    device: &'a str,
    inode: &'a str,
    name: &'a str,
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let mut words = rest.splitn(4, ' ');
        let (access, offset, device) = (words.next()?, words.next()?, words.next()?);
        let rest = words.next()?;
        let (inode, name) = rest.split_once(' ').unwrap_or((rest, ""));
        let name = name.trim_start_matches(' ');
        Some(Self { range: hex(start)?..hex(end)?, access, offset: hex(offset)?, device, inode, name })
    }

    fn is_anonymous(&self) -> bool {
        self.inode == "0" && self.name.is_empty()
    }

    fn write(&self, text: &mut String) {
        let Self { range, access, offset, device, inode, name } = self;
        let before = text.len();
        // Writing to a String cannot fail.
        let _ = write!(text, "{:08x}-{:08x} {access} {offset:08x} {device} {inode} ", range.start, range.end);
        if !name.is_empty() {
            let column = text.len() - before;
            text.extend(std::iter::repeat_n(' ', NAME_COLUMN.saturating_sub(column)));
            text.push_str(name);
        }
        text.push('\n');
    }
}

impl Known {
    fn name<'a>(&self, line: &Line<'a>) -> &'a str {
        let Range { start, end } = line.range;
        match line.is_anonymous() {
            true if start < self.heap.end && end > self.heap.start => "[heap]",
            true if line.range.contains(&self.stack) => "[stack]",
            true if line.range.contains(&self.vdso) => "[vdso]",
            _ => line.name,
        }
    }
}

/// `maps` as the program is to see it.
#[must_use]
pub fn maps(kernel: &str, known: &Known) -> String {
    let lines: Vec<Line<'_>> = kernel.lines().filter_map(Line::read).collect();
    let mut text = String::with_capacity(kernel.len());
    for line in lines.iter().filter(|line| line.range.start < APP_END) {
        if !line.is_anonymous() {
            line.write(&mut text);
            continue;
        }
        let mut at = line.range.start;
        for (range, file_at) in known.copies.iter().filter(|(range, _)| overlaps(range, &line.range)) {
            let part = range.start.max(line.range.start)..range.end.min(line.range.end);
            let Some(file) = of_file(&lines, file_at + (part.start - range.start)) else { continue };
            write_anonymous(line, at..part.start, known, &mut text);
            Line { range: part.clone(), access: line.access, ..file }.write(&mut text);
            at = part.end;
        }
        write_anonymous(line, at..line.range.end, known, &mut text);
    }
    text
}

fn overlaps(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

fn write_anonymous(line: &Line<'_>, range: Range<u64>, known: &Known, text: &mut String) {
    if !range.is_empty() {
        let part = Line { range, ..line.clone() };
        Line { name: known.name(&part), ..part }.write(text);
    }
}

/// The file that is mapped at an address, from there on.
fn of_file<'a>(lines: &[Line<'a>], address: u64) -> Option<Line<'a>> {
    let after = lines.partition_point(|line| line.range.end <= address);
    let line = lines.get(after).filter(|line| line.range.contains(&address) && line.inode != "0")?;
    Some(Line { offset: line.offset + (address - line.range.start), ..line.clone() })
}

/// `smaps` as the program is to see it: whole blocks of the kernel's.
#[must_use]
pub fn smaps(kernel: &str, known: &Known) -> String {
    let mut text = String::with_capacity(kernel.len());
    let mut shown = false;
    for line in kernel.lines() {
        match Line::read(line) {
            Some(head) => {
                shown = head.range.start < APP_END;
                if shown {
                    Line { name: known.name(&head), ..head }.write(&mut text);
                }
            }
            None if shown => {
                text.push_str(line);
                text.push('\n');
            }
            None => {}
        }
    }
    text
}

#[cfg(test)]
#[path = "mappings_tests.rs"]
mod tests;
