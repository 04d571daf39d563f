//! What a processor can do, as far as a program can notice.
//!
//! A program that has looked at cpuid at home may use any feature it found there. Execution may
//! only jump to a peer that has them all and that stores the extended registers in the same layout
//! (Intel SDM volume 1, chapter 13). A peer that lacks something still serves memory.

use serde::{Deserialize, Serialize};
use std::arch::x86_64::{__cpuid_count, _xgetbv, CpuidResult};

/// The parts of cpuid that matter to user programs, as one machine reports them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CpuFeatures {
    /// Leaf 1: ecx, edx.
    leaf_1: [u32; 2],
    /// Leaf 7.0: ebx, ecx, edx.
    leaf_7: [u32; 3],
    /// Leaf 7.1: eax.
    leaf_7_1: u32,
    /// Leaf 0x80000001: ecx, edx.
    extended: [u32; 2],
    /// Leaf 0xd.1: eax (xsaveopt, xsavec, …).
    xsave: u32,
    /// XCR0: the register components that the kernel has switched on.
    xcr0: u64,
    /// Bytes of the XSAVE area for these components (leaf 0xd.0 ebx).
    xsave_bytes: u32,
    /// Component, size and offset in the standard layout, of each component that is on.
    components: Vec<(u8, u32, u32)>,
}

impl CpuFeatures {
    /// What this machine has.
    pub fn here() -> CpuFeatures {
        let one = leaf(1, 0);
        let seven = leaf(7, 0);
        let extended = leaf(0x8000_0001, 0);
        let xcr0 = match one.ecx & OSXSAVE {
            0 => 0b11,
            // SAFETY: OSXSAVE says that the kernel has switched the instruction on.
            _ => unsafe { _xgetbv(0) },
        };
        let component = |number: u8| {
            let info = leaf(0xd, u32::from(number));
            (number, info.eax, info.ebx)
        };
        let is_on = |number: &u8| xcr0 >> number & 1 == 1;
        CpuFeatures {
            leaf_1: [one.ecx, one.edx],
            leaf_7: [seven.ebx, seven.ecx, seven.edx],
            leaf_7_1: leaf(7, 1).eax,
            extended: [extended.ecx, extended.edx],
            xsave: leaf(0xd, 1).eax,
            xcr0,
            xsave_bytes: leaf(0xd, 0).ebx,
            components: (2..63).filter(is_on).map(component).collect(),
        }
    }

    /// Names of what `self` has and `other` has not, as in /proc/cpuinfo; empty if a program that
    /// started on `self` can go on running on `other`.
    pub fn missing_in(&self, other: &CpuFeatures) -> Vec<&'static str> {
        let mut missing = Vec::new();
        for (name, word, bit) in FEATURES {
            if self.word(*word) >> bit & 1 == 1 && other.word(*word) >> bit & 1 == 0 {
                missing.push(*name);
            }
        }
        if self.xcr0 & !other.xcr0 != 0 {
            missing.push("extended register components");
        }
        let moved = |c: &&(u8, u32, u32)| !other.components.contains(c);
        let shared_on = |c: &&(u8, u32, u32)| other.xcr0 >> c.0 & 1 == 1;
        if self.components.iter().filter(shared_on).any(|c| moved(&c)) {
            missing.push("the same layout of extended registers");
        }
        missing
    }

    fn word(&self, word: Word) -> u32 {
        match word {
            Word::OneC => self.leaf_1[0],
            Word::OneD => self.leaf_1[1],
            Word::SevenB => self.leaf_7[0],
            Word::SevenC => self.leaf_7[1],
            Word::SevenD => self.leaf_7[2],
            Word::SevenOneA => self.leaf_7_1,
            Word::ExtendedC => self.extended[0],
            Word::ExtendedD => self.extended[1],
            Word::Xsave => self.xsave,
        }
    }
}

const OSXSAVE: u32 = 1 << 27;

/// One leaf; all zero if the processor does not have it.
fn leaf(number: u32, sub: u32) -> CpuidResult {
    // SAFETY: every x86-64 processor has cpuid, and it only reads. (Safe to call without this
    // since Rust 1.94.)
    #[allow(unused_unsafe)]
    let cpuid = |number, sub| unsafe { __cpuid_count(number, sub) };
    match number <= cpuid(number & 0x8000_0000, 0).eax {
        true => cpuid(number, sub),
        false => CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 },
    }
}

/// A register of a cpuid leaf.
#[derive(Clone, Copy)]
enum Word {
    OneC,
    OneD,
    SevenB,
    SevenC,
    SevenD,
    SevenOneA,
    ExtendedC,
    ExtendedD,
    Xsave,
}

/// Instructions that a program may use without asking the kernel. Left out on purpose: what only a
/// kernel can use, what only promises speed, and hints that do nothing where they are unknown.
#[rustfmt::skip]
const FEATURES: &[(&str, Word, u8)] = &[
    ("fpu", Word::OneD, 0), ("tsc", Word::OneD, 4), ("cx8", Word::OneD, 8), ("cmov", Word::OneD, 15),
    ("clflush", Word::OneD, 19), ("mmx", Word::OneD, 23), ("fxsr", Word::OneD, 24),
    ("sse", Word::OneD, 25), ("sse2", Word::OneD, 26),
    ("sse3", Word::OneC, 0), ("pclmulqdq", Word::OneC, 1), ("ssse3", Word::OneC, 9),
    ("fma", Word::OneC, 12), ("cx16", Word::OneC, 13), ("sse4_1", Word::OneC, 19),
    ("sse4_2", Word::OneC, 20), ("movbe", Word::OneC, 22), ("popcnt", Word::OneC, 23),
    ("aes", Word::OneC, 25), ("xsave", Word::OneC, 26), ("osxsave", Word::OneC, 27),
    ("avx", Word::OneC, 28), ("f16c", Word::OneC, 29), ("rdrand", Word::OneC, 30),
    ("fsgsbase", Word::SevenB, 0), ("bmi1", Word::SevenB, 3), ("hle", Word::SevenB, 4),
    ("avx2", Word::SevenB, 5), ("bmi2", Word::SevenB, 8), ("rtm", Word::SevenB, 11),
    ("mpx", Word::SevenB, 14), ("avx512f", Word::SevenB, 16), ("avx512dq", Word::SevenB, 17),
    ("rdseed", Word::SevenB, 18), ("adx", Word::SevenB, 19), ("avx512ifma", Word::SevenB, 21),
    ("clflushopt", Word::SevenB, 23), ("clwb", Word::SevenB, 24), ("avx512pf", Word::SevenB, 26),
    ("avx512er", Word::SevenB, 27), ("avx512cd", Word::SevenB, 28), ("sha_ni", Word::SevenB, 29),
    ("avx512bw", Word::SevenB, 30), ("avx512vl", Word::SevenB, 31),
    ("avx512vbmi", Word::SevenC, 1), ("ospke", Word::SevenC, 4), ("waitpkg", Word::SevenC, 5),
    ("avx512_vbmi2", Word::SevenC, 6), ("gfni", Word::SevenC, 8), ("vaes", Word::SevenC, 9),
    ("vpclmulqdq", Word::SevenC, 10), ("avx512_vnni", Word::SevenC, 11),
    ("avx512_bitalg", Word::SevenC, 12), ("avx512_vpopcntdq", Word::SevenC, 14),
    ("rdpid", Word::SevenC, 22), ("movdiri", Word::SevenC, 27), ("movdir64b", Word::SevenC, 28),
    ("avx512_4vnniw", Word::SevenD, 2), ("avx512_4fmaps", Word::SevenD, 3),
    ("avx512_vp2intersect", Word::SevenD, 8), ("serialize", Word::SevenD, 14),
    ("amx_bf16", Word::SevenD, 22), ("avx512_fp16", Word::SevenD, 23), ("amx_tile", Word::SevenD, 24),
    ("amx_int8", Word::SevenD, 25),
    ("sha512", Word::SevenOneA, 0), ("sm3", Word::SevenOneA, 1), ("sm4", Word::SevenOneA, 2),
    ("avx_vnni", Word::SevenOneA, 4), ("avx512_bf16", Word::SevenOneA, 5),
    ("cmpccxadd", Word::SevenOneA, 7), ("amx_fp16", Word::SevenOneA, 21),
    ("avx_ifma", Word::SevenOneA, 23),
    ("lahf_lm", Word::ExtendedC, 0), ("abm", Word::ExtendedC, 5), ("sse4a", Word::ExtendedC, 6),
    ("3dnowprefetch", Word::ExtendedC, 8), ("xop", Word::ExtendedC, 11), ("fma4", Word::ExtendedC, 16),
    ("tbm", Word::ExtendedC, 21), ("mwaitx", Word::ExtendedC, 29),
    ("syscall", Word::ExtendedD, 11), ("mmxext", Word::ExtendedD, 22), ("rdtscp", Word::ExtendedD, 27),
    ("lm", Word::ExtendedD, 29),
    ("xsaveopt", Word::Xsave, 0), ("xsavec", Word::Xsave, 1), ("xgetbv1", Word::Xsave, 2),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_lacks_nothing_of_itself() {
        let here = CpuFeatures::here();
        assert_eq!(here.missing_in(&here), Vec::<&str>::new());
        assert!(here.leaf_1[1] >> 26 & 1 == 1, "x86-64 always has sse2");
    }

    #[test]
    fn what_is_missing_is_named_and_what_is_extra_does_not_matter() {
        let small = CpuFeatures::here();
        let mut big = small.clone();
        let mut less = small.clone();
        less.leaf_7[0] &= !(1 << 16);
        big.leaf_7[0] |= 1 << 16;
        assert_eq!(big.missing_in(&less), ["avx512f"]);
        assert_eq!(less.missing_in(&big), Vec::<&str>::new());
    }

    #[test]
    fn bits_that_only_a_kernel_uses_do_not_matter() {
        let here = CpuFeatures::here();
        let mut other = here.clone();
        other.leaf_1[0] ^= 1 << 31 | 1 << 5;
        assert_eq!(here.missing_in(&other), Vec::<&str>::new());
        assert_eq!(other.missing_in(&here), Vec::<&str>::new());
    }

    #[test]
    fn another_layout_of_the_extended_registers_is_noticed() {
        let mut here = CpuFeatures::here();
        here.xcr0 = 0b111;
        here.components = vec![(2, 256, 576)];
        let mut other = here.clone();
        other.components = vec![(2, 256, 640)];
        assert_eq!(here.missing_in(&other), ["the same layout of extended registers"]);
        other.xcr0 = 0b11;
        assert_eq!(here.missing_in(&other), ["extended register components"]);
    }
}
