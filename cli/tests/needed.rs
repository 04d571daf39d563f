//! The binary starts where no RDMA library is installed.

use object::elf::DT_NEEDED;
use object::read::elf::{Dyn, ElfFile64, FileHeader};

#[test]
fn the_binary_needs_no_rdma_library_to_start() {
    let bytes = std::fs::read(env!("CARGO_BIN_EXE_eos-rdma")).expect("the binary");
    let file = ElfFile64::<object::Endianness>::parse(&*bytes).expect("an ELF file");
    let endian = file.endian();
    let sections = file.elf_header().sections(endian, &*bytes).expect("sections");
    let (entries, strings) = sections.dynamic(endian, &*bytes).expect("a dynamic section").expect("linked dynamically");
    let strings = sections.strings(endian, &*bytes, strings).expect("names");
    let needed: Vec<String> = entries
        .iter()
        .filter(|entry| entry.tag32(endian) == Some(DT_NEEDED))
        .map(|entry| String::from_utf8_lossy(entry.string(endian, strings).expect("a name")).into_owned())
        .collect();
    assert!(needed.iter().any(|name| name.starts_with("libc.so")), "{needed:?}");
    for name in &needed {
        assert!(!["libibverbs", "librdmacm", "libnl-"].iter().any(|library| name.starts_with(library)), "{needed:?}");
    }
}
