//! What an ELF file says, checked: nothing here opens, maps or places anything.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::ReadRef;
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{LittleEndian, pod};

use super::{PAGE, page_up};

type Header = FileHeader64<LittleEndian>;
type Phdr = ProgramHeader64<LittleEndian>;

/// Linux reads at most this many bytes of program headers.
const PHDRS_LEN_MAX: usize = 65536;
/// `PATH_MAX`: the longest interpreter name, its zero byte included.
const INTERP_LEN_MAX: u64 = 4096;
/// Alignments above 1 GiB (the largest page) are not honoured.
const ALIGN_MAX: u64 = 1 << 30;

/// Why a file is refused; [`super::plan`] adds the path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotElf,
    Foreign(String),
    Corrupt(&'static str),
}

/// One `PT_LOAD` that takes memory. Checked: `file_len <= mem_len`, no sum overflows, offset and address agree within a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    pub vaddr: u64,
    pub mem_len: u64,
    pub offset: u64,
    pub file_len: u64,
    /// `PROT_*` bits.
    pub prot: i32,
}

/// The facts of an ELF file that loading needs. Addresses are the file's own, without bias.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Elf {
    /// `ET_DYN`: may be placed anywhere that is a multiple of `align`.
    pub relocatable: bool,
    pub entry: u64,
    /// Where the program headers lie in memory, if a segment holds them.
    pub phdr: Option<u64>,
    pub phnum: u16,
    /// Ascending, without overlap, at least one.
    pub loads: Vec<Load>,
    pub align: u64,
    pub interp: Option<PathBuf>,
    pub exec_stack: bool,
}

impl Elf {
    /// First page and one past the last page of the image, without bias.
    pub fn span(&self) -> (u64, u64) {
        let first = self.loads.first().map_or(0, |l| l.vaddr & !(PAGE - 1));
        let last = self.loads.last().map_or(0, |l| page_up(l.vaddr + l.mem_len));
        (first, last)
    }
}

/// Parses and checks `data`. Cost: three reads of `data`, at most 70 KiB.
pub(super) fn parse<'d, R: ReadRef<'d>>(data: R) -> Result<Elf, Refusal> {
    let ident = data.read_bytes_at(0, 20).map_err(|()| short_file(data))?;
    if ident[..4] != elf::ELFMAG {
        return Err(Refusal::NotElf);
    }
    check_ident(ident)?;
    let header = Header::parse(data).map_err(|_| Refusal::Corrupt("its header is not a valid ELF header"))?;
    let relocatable = check_header(header)?;
    let phdrs = phdrs_of(header, data)?;
    let loads = loads_of(phdrs, data.len().map_err(|()| Refusal::Corrupt("its length is unknown"))?)?;
    let interp = phdrs.iter().find(|p| kind(p) == elf::PT_INTERP).map(|p| interp_of(p, data)).transpose()?;
    // Without PT_GNU_STACK, x86-64 stacks are not executable either (Linux 5.8).
    let stack = phdrs.iter().rfind(|p| kind(p) == elf::PT_GNU_STACK);
    Ok(Elf {
        relocatable,
        entry: header.e_entry(LittleEndian),
        phdr: phdr_address(header, phdrs, &loads),
        phnum: header.e_phnum(LittleEndian),
        align: align_of(phdrs),
        loads,
        interp,
        exec_stack: stack.is_some_and(|p| p.p_flags(LittleEndian) & elf::PF_X != 0),
    })
}

fn kind(p: &Phdr) -> u32 {
    p.p_type(LittleEndian)
}

fn short_file<'d, R: ReadRef<'d>>(data: R) -> Refusal {
    match data.read_bytes_at(0, 4) {
        Ok(magic) if magic == elf::ELFMAG => Refusal::Corrupt("it ends within its header"),
        _ => Refusal::NotElf,
    }
}

/// `ident`: the first 20 bytes, which lie at the same places in 32-bit files and hold the machine.
fn check_ident(ident: &[u8]) -> Result<(), Refusal> {
    let little = ident[5] == elf::ELFDATA2LSB;
    let machine = [ident[18], ident[19]];
    let machine = if little { u16::from_le_bytes(machine) } else { u16::from_be_bytes(machine) };
    match (ident[4], machine) {
        (elf::ELFCLASS64, elf::EM_X86_64) if little => Ok(()),
        (elf::ELFCLASS32, elf::EM_X86_64) => Err(Refusal::Foreign("an x32 program (32-bit pointers)".into())),
        (elf::ELFCLASS32, elf::EM_386) => Err(Refusal::Foreign("a 32-bit x86 program".into())),
        (elf::ELFCLASS32 | elf::ELFCLASS64, _) => {
            Err(Refusal::Foreign(format!("a program for {}", machine_name(machine))))
        }
        _ => Err(Refusal::Corrupt("its header is not a valid ELF header")),
    }
}

fn machine_name(machine: u16) -> String {
    match machine {
        elf::EM_AARCH64 => "64-bit ARM".into(),
        elf::EM_ARM => "32-bit ARM".into(),
        elf::EM_RISCV => "RISC-V".into(),
        elf::EM_PPC64 => "64-bit POWER".into(),
        elf::EM_S390 => "IBM Z".into(),
        elf::EM_LOONGARCH => "LoongArch".into(),
        other => format!("another machine (ELF number {other})"),
    }
}

/// Whether the file may be placed anywhere.
fn check_header(header: &Header) -> Result<bool, Refusal> {
    let relocatable = match header.e_type(LittleEndian) {
        elf::ET_EXEC => false,
        elf::ET_DYN => true,
        elf::ET_REL => return Err(Refusal::Foreign("an object file that is not linked".into())),
        elf::ET_CORE => return Err(Refusal::Foreign("a core dump, not a program".into())),
        _ => return Err(Refusal::Corrupt("its ELF type is unknown")),
    };
    if usize::from(header.e_phentsize(LittleEndian)) != size_of::<Phdr>() {
        return Err(Refusal::Corrupt("its program headers have a wrong size"));
    }
    match usize::from(header.e_phnum(LittleEndian)) * size_of::<Phdr>() {
        0 => Err(Refusal::Corrupt("it has no program headers")),
        n if n > PHDRS_LEN_MAX => Err(Refusal::Corrupt("it has too many program headers")),
        _ => Ok(relocatable),
    }
}

fn phdrs_of<'d, R: ReadRef<'d>>(header: &Header, data: R) -> Result<&'d [Phdr], Refusal> {
    let count = usize::from(header.e_phnum(LittleEndian));
    let bytes = data
        .read_bytes_at(header.e_phoff(LittleEndian), (count * size_of::<Phdr>()) as u64)
        .map_err(|()| Refusal::Corrupt("it ends before its program headers do"))?;
    let (phdrs, _) =
        pod::slice_from_bytes(bytes, count).map_err(|()| Refusal::Corrupt("its program headers are not aligned"))?;
    Ok(phdrs)
}

fn loads_of(phdrs: &[Phdr], file_len: u64) -> Result<Vec<Load>, Refusal> {
    let mut loads: Vec<Load> = Vec::new();
    for p in phdrs.iter().filter(|p| kind(p) == elf::PT_LOAD) {
        let load = load_of(p, file_len)?;
        if loads.last().is_some_and(|l| l.vaddr + l.mem_len > load.vaddr) {
            return Err(Refusal::Corrupt("its segments overlap or are not in ascending order"));
        }
        if load.mem_len > 0 {
            loads.push(load);
        }
    }
    if loads.is_empty() { Err(Refusal::Corrupt("it has no segment to load")) } else { Ok(loads) }
}

fn load_of(p: &Phdr, file_size: u64) -> Result<Load, Refusal> {
    let load = Load {
        vaddr: p.p_vaddr(LittleEndian),
        mem_len: p.p_memsz(LittleEndian),
        offset: p.p_offset(LittleEndian),
        file_len: p.p_filesz(LittleEndian),
        prot: prot_of(p.p_flags(LittleEndian)),
    };
    if load.file_len > load.mem_len {
        return Err(Refusal::Corrupt("a segment has more bytes in the file than in memory"));
    }
    if load.vaddr.checked_add(load.mem_len).is_none_or(|end| end > u64::MAX - PAGE) {
        return Err(Refusal::Corrupt("a segment ends beyond the address space"));
    }
    if load.file_len == 0 {
        return Ok(load);
    }
    if load.offset % PAGE != load.vaddr % PAGE {
        return Err(Refusal::Corrupt("a segment's file offset and address differ within a page"));
    }
    match load.offset.checked_add(load.file_len) {
        Some(end) if end <= file_size => Ok(load),
        _ => Err(Refusal::Corrupt("it is cut short: a segment lies beyond its end")),
    }
}

fn prot_of(flags: u32) -> i32 {
    let bit = |flag, prot| if flags & flag != 0 { prot } else { 0 };
    bit(elf::PF_R, libc::PROT_READ) | bit(elf::PF_W, libc::PROT_WRITE) | bit(elf::PF_X, libc::PROT_EXEC)
}

fn interp_of<'d, R: ReadRef<'d>>(p: &Phdr, data: R) -> Result<PathBuf, Refusal> {
    let bad = Refusal::Corrupt("its interpreter name (PT_INTERP) is not a valid path");
    let len = p.p_filesz(LittleEndian);
    if !(2..=INTERP_LEN_MAX).contains(&len) {
        return Err(bad);
    }
    let Ok(bytes) = data.read_bytes_at(p.p_offset(LittleEndian), len) else {
        return Err(bad);
    };
    let Some((0, name)) = bytes.split_last() else {
        return Err(bad);
    };
    let name = name.split(|&b| b == 0).next().unwrap_or_default();
    if name.is_empty() { Err(bad) } else { Ok(PathBuf::from(OsStr::from_bytes(name))) }
}

/// As Linux finds it since 5.18: the segment that holds them; `PT_PHDR` only when there is none.
fn phdr_address(header: &Header, phdrs: &[Phdr], loads: &[Load]) -> Option<u64> {
    let at = header.e_phoff(LittleEndian);
    let held = loads.iter().find(|l| l.offset <= at && at - l.offset < l.file_len);
    held.map(|l| l.vaddr.wrapping_add(at - l.offset))
        .or_else(|| phdrs.iter().find(|p| kind(p) == elf::PT_PHDR).map(|p| p.p_vaddr(LittleEndian)))
}

fn align_of(phdrs: &[Phdr]) -> u64 {
    let aligns = phdrs.iter().filter(|p| kind(p) == elf::PT_LOAD).map(|p| p.p_align(LittleEndian));
    // Linux, too, passes over an alignment that is not a power of two.
    aligns.filter(|a| a.is_power_of_two()).max().unwrap_or(PAGE).clamp(PAGE, ALIGN_MAX)
}
