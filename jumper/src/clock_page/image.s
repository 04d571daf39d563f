# The ELF headers, the tables of dynamic linking, and what unwinders ask for. Addresses are offsets from the image's start.
.pushsection .rodata.eos_rdma_clock_page, "a", @progbits
    .balign 64
.globl eos_rdma_clock_image, eos_rdma_clock_image_end, eos_rdma_clock_marks
.hidden eos_rdma_clock_image, eos_rdma_clock_image_end, eos_rdma_clock_marks
.macro eos_segment kind, flags, from, to, align
    .long \kind, \flags
    .quad \from - eos_rdma_clock_image, \from - eos_rdma_clock_image, \from - eos_rdma_clock_image
    .quad \to - \from, \to - \from, \align
.endm
.macro eos_dynamic tag, label
    .quad \tag, \label - eos_rdma_clock_image
.endm
# one function of the symbol table: name, STB_GLOBAL and STT_FUNC, default visibility, some section, address, size
.macro eos_function name, at, to
    .long \name - .Lck_strings
    .byte 0x12, 0
    .short 1
    .quad \at - eos_rdma_clock_image, \to - \at
.endm
eos_rdma_clock_image:
    .byte 0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
    .short 3, 62  # ET_DYN, EM_X86_64
    .long 1
    .quad 0, .Lck_phdrs - eos_rdma_clock_image, 0
    .long 0
    .short 64, 56, 3, 64, 0, 0
.Lck_phdrs:
    eos_segment 1, 5, eos_rdma_clock_image, eos_rdma_clock_image_end, 4096  # PT_LOAD, read and execute
    eos_segment 2, 4, .Lck_dynamic, .Lck_dynamic_end, 8
    eos_segment 0x6474e550, 4, .Lck_eh_header, .Lck_eh_frame, 4  # PT_GNU_EH_FRAME
.Lck_dynamic:
    .quad 14, .Lck_soname - .Lck_strings
    eos_dynamic 4, .Lck_hash
    eos_dynamic 5, .Lck_strings
    eos_dynamic 6, .Lck_symbols
    .quad 10, .Lck_strings_end - .Lck_strings
    .quad 11, 24
    eos_dynamic 0x6ffffffc, .Lck_versions  # DT_VERDEF
    .quad 0x6ffffffd, 2
    eos_dynamic 0x6ffffff0, .Lck_version_numbers  # DT_VERSYM
    .quad 0, 0
.Lck_dynamic_end:
.Lck_symbols:
    .quad 0, 0, 0
    eos_function .Lck_n1, .Lck_gettime, .Lck_gettime_end
    eos_function .Lck_n2, .Lck_timeofday, .Lck_timeofday_end
    eos_function .Lck_n3, .Lck_time, .Lck_time_end
    eos_function .Lck_n4, .Lck_getres, .Lck_getres_end
    eos_function .Lck_n5, .Lck_getcpu, .Lck_getcpu_end
.Lck_hash:  # one bucket with all of them: nobody has to compute a hash
    .long 1, 6, 1, 0, 2, 3, 4, 5, 0
.Lck_version_numbers:
    .short 0, 2, 2, 2, 2, 2
    .balign 8
.Lck_versions:  # the file itself, and the version of all symbols; the long numbers are the ELF hashes of the names
    .short 1, 1, 1, 1
    .long 0x0deebfa1, 20, 28, .Lck_soname - .Lck_strings, 0
    .short 1, 0, 2, 1
    .long 0x03ae75f6, 20, 0, .Lck_version - .Lck_strings, 0
.Lck_strings:
    .byte 0
.Lck_soname: .asciz "linux-vdso.so.1"
.Lck_version: .asciz "LINUX_2.6"
.Lck_n1: .asciz "__vdso_clock_gettime"
.Lck_n2: .asciz "__vdso_gettimeofday"
.Lck_n3: .asciz "__vdso_time"
.Lck_n4: .asciz "__vdso_clock_getres"
.Lck_n5: .asciz "__vdso_getcpu"
.Lck_strings_end:
    .balign 8
# Wherever the program can see its thread in here, nothing is pushed but the return address.
.Lck_eh_header:
    .byte 1, 0x1b, 3, 0x3b
    .long .Lck_eh_frame - .
    .long 1, .Lck_text - .Lck_eh_header, .Lck_fde - .Lck_eh_header
.Lck_eh_frame:
    .long 20, 0
    .byte 1, 0x7a, 0x52, 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0
.Lck_fde:
    .long 16
    .long . - .Lck_eh_frame
    .long .Lck_text - .
    .long .Lck_text_end - .Lck_text, 0, 0
    .balign 8
.Lck_area: .quad 0
.purgem eos_segment
.purgem eos_dynamic
.purgem eos_function
