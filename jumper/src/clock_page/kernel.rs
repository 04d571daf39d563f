//! The kernel's own vDSO in this process, vdso(7).
//!
//! # Safety
//!
//! `AT_SYSINFO_EHDR` is where the kernel has mapped a whole ELF file, for as long as the process lives.

use eos_pager::page::PAGE_SIZE;
use object::elf::{DT_GNU_HASH, DT_HASH, DT_STRTAB, DT_SYMTAB, FileHeader64, PT_LOAD, Sym64};
use object::read::StringTable;
use object::read::elf::{Dyn as _, FileHeader as _, GnuHashTable, HashTable, ProgramHeader as _, Sym as _};
use object::{LittleEndian, pod};

type Hash<'a> = HashTable<'a, FileHeader64<LittleEndian>>;
type GnuHash<'a> = GnuHashTable<'a, FileHeader64<LittleEndian>>;

/// Addresses of its functions. A kernel may be without.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KernelVdso {
    /// `__vdso_clock_gettime`.
    pub gettime: Option<u64>,
    /// `__vdso_getcpu`.
    pub getcpu: Option<u64>,
}

/// Most bytes of a vDSO that are believed in.
const BYTES_MAX: u64 = 1 << 20;

impl KernelVdso {
    /// What this process has.
    pub fn find() -> Self {
        // SAFETY: getauxval reads what the kernel has told the process.
        let base = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
        if base == 0 { Self::default() } else { Self::at(base).unwrap_or_default() }
    }

    fn at(base: u64) -> Option<Self> {
        // SAFETY: see the top of this file; the header and its table of segments lie in the first page.
        let page = unsafe { std::slice::from_raw_parts(base as *const u8, PAGE_SIZE as usize) };
        let header = FileHeader64::<LittleEndian>::parse(page).ok()?;
        let segments = header.program_headers(LittleEndian, page).ok()?;
        let load = segments.iter().find(|segment| segment.p_type(LittleEndian) == PT_LOAD)?;
        let (start, bytes) = (load.p_vaddr(LittleEndian), load.p_filesz(LittleEndian));
        if bytes > BYTES_MAX {
            return None;
        }
        // SAFETY: the segment is mapped as it is in the file.
        let image = unsafe { std::slice::from_raw_parts(base as *const u8, bytes as usize) };
        let symbols = symbols(image, start)?;
        let find = |name: &str| {
            let (_, at) = symbols.iter().find(|(symbol, _)| *symbol == name.as_bytes())?;
            Some(base.wrapping_add(*at))
        };
        Some(Self { gettime: find("__vdso_clock_gettime"), getcpu: find("__vdso_getcpu") })
    }
}

/// Names and places of what an image that is linked to `start` exports, found as a dynamic linker finds them: without sections.
pub(super) fn symbols(image: &[u8], start: u64) -> Option<Vec<(&[u8], u64)>> {
    let header = FileHeader64::<LittleEndian>::parse(image).ok()?;
    let segments = header.program_headers(LittleEndian, image).ok()?;
    let dynamic = segments.iter().find_map(|segment| segment.dynamic(LittleEndian, image).ok().flatten())?;
    let part = |tag: u32| {
        let entry = dynamic.iter().find(|entry| entry.tag32(LittleEndian) == Some(tag))?;
        image.get(usize::try_from(entry.d_val(LittleEndian).checked_sub(start)?).ok()?..)
    };
    let count = match (part(DT_HASH), part(DT_GNU_HASH)) {
        (Some(hash), _) => Hash::parse(LittleEndian, hash).ok()?.symbol_table_length(),
        (None, hash) => GnuHash::parse(LittleEndian, hash?).ok()?.symbol_table_length(LittleEndian)?,
    };
    let (table, _) = pod::slice_from_bytes::<Sym64<LittleEndian>>(part(DT_SYMTAB)?, count as usize).ok()?;
    let names = part(DT_STRTAB)?;
    let strings = StringTable::new(names, 0, names.len() as u64);
    let defined = table.iter().filter(|symbol| !symbol.is_undefined(LittleEndian));
    let named = defined.filter_map(|symbol| Some((symbol.name(LittleEndian, strings).ok()?, symbol)));
    Some(named.map(|(name, symbol)| (name, symbol.st_value(LittleEndian).wrapping_sub(start))).collect())
}
