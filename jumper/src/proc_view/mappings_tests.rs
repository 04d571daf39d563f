use super::*;

const KERNEL: &str = "\
100000000000-100000002000 r--p 00000000 fe:00 247030                     /usr/bin/cat
10000000a000-10000000f000 rw-p 00000000 00:00 0 
10000000f000-100000030000 rw-p 00000000 00:00 0 
4efffe000000-4efffe001000 rw-s 00003000 00:05 77                         /memfd:x y (deleted)
4fffef800000-4ffff0000000 rw-p 00000000 00:00 0 
4fffffff0000-4fffffff1000 r-xp 00000000 00:00 0 
5587db6dc000-5587db780000 rw-p 00000000 00:00 0                          [heap]
7fbd00000000-7fbd00003000 rw-p 00009000 fe:00 247030                     /usr/bin/cat
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
";

fn known() -> Known {
    Known {
        heap: 0x1000_0000_f000..0x1000_0003_0000,
        stack: 0x4fff_efff_f000,
        vdso: 0x4fff_ffff_0000,
        copies: vec![(0x1000_0000_b000..0x1000_0000_d000, 0x7fbd_0000_1000)],
    }
}

#[test]
fn the_program_sees_its_half_with_files_heap_and_stack_in_the_kernels_columns() {
    let seen = maps(KERNEL, &known());
    let expected = "\
100000000000-100000002000 r--p 00000000 fe:00 247030                     /usr/bin/cat
10000000a000-10000000b000 rw-p 00000000 00:00 0 
10000000b000-10000000d000 rw-p 0000a000 fe:00 247030                     /usr/bin/cat
10000000d000-10000000f000 rw-p 00000000 00:00 0 
10000000f000-100000030000 rw-p 00000000 00:00 0                          [heap]
4efffe000000-4efffe001000 rw-s 00003000 00:05 77                         /memfd:x y (deleted)
4fffef800000-4ffff0000000 rw-p 00000000 00:00 0                          [stack]
4fffffff0000-4fffffff1000 r-xp 00000000 00:00 0                          [vdso]
";
    assert_eq!(seen, expected);
}

#[test]
fn a_copy_whose_file_is_not_found_is_memory_without_a_name() {
    let known = Known { copies: vec![(0x1000_0000_b000..0x1000_0000_d000, 0x6000_0000_0000)], ..known() };
    assert!(maps(KERNEL, &known).contains("\n10000000a000-10000000f000 rw-p 00000000 00:00 0 \n"));
}

#[test]
fn blocks_of_the_runtimes_half_are_left_out_as_a_whole() {
    let block = |head: &str| format!("{head}\nSize:                  8 kB\nVmFlags: rd mr \n");
    let kernel: String = KERNEL.lines().map(block).collect();
    let seen = smaps(&kernel, &known());
    assert_eq!(seen.matches("VmFlags: rd mr \n").count(), 6);
    assert!(seen.contains("[heap]\nSize:                  8 kB\n") && !seen.contains("7ffd"));
}

/// The kernel's own lines come out as they went in, so the format is the kernel's.
#[test]
fn lines_of_this_process_are_read_and_written_without_a_change() {
    let kernel = std::fs::read_to_string("/proc/self/maps").unwrap();
    for line in kernel.lines() {
        let mut again = String::new();
        Line::read(line).unwrap_or_else(|| panic!("{line:?}")).write(&mut again);
        assert_eq!(again.trim_end(), line.trim_end());
    }
}
