//! `status`, `stat` and `statm`: the numbers that tell of the runtime are replaced by the program's.

use std::fmt::Write;

use eos_pager::page::PAGE_SIZE;

/// Bytes of a page in the unit of `status`.
const PAGE_KB: u64 = PAGE_SIZE / 1024;

/// What the program is, in pages where nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Threads.
    pub threads: u64,
    /// All mappings.
    pub mapped: u64,
    /// Private memory that may be written.
    pub data: u64,
    /// Of that, the stack.
    pub stack: u64,
    /// Memory that may be executed.
    pub code: u64,
    /// Private memory with contents, on all nodes together.
    pub anon: u64,
    /// Of files and in memory here.
    pub file: u64,
    /// Shared memory, here.
    pub shared: u64,
    /// Signals with handlers, as a kernel set.
    pub handled: u64,
}

/// Pages of a process that are in memory, by kinds, as `status` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    /// `RssAnon`.
    pub anon: u64,
    /// `RssFile`.
    pub file: u64,
    /// `RssShmem`.
    pub shared: u64,
}

impl Resident {
    /// Reads them out of `status`; a line that is missing counts as 0.
    #[must_use]
    pub fn of_status(status: &str) -> Self {
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / PAGE_KB
        };
        Self { anon: value("RssAnon"), file: value("RssFile"), shared: value("RssShmem") }
    }
}

impl Numbers {
    fn resident(&self) -> u64 {
        self.anon + self.file + self.shared
    }

    /// The value of a line of `status`; none: it stays as the kernel wrote it.
    fn of_line(&self, name: &str, kernel: u64) -> Option<u64> {
        let pages = match name {
            "VmPeak" | "VmSize" => self.mapped,
            "VmHWM" | "VmRSS" => self.resident(),
            "RssAnon" => self.anon,
            "RssFile" => self.file,
            "RssShmem" => self.shared,
            "VmData" => self.data.saturating_sub(self.stack),
            "VmStk" => self.stack,
            // `VmExe` is right by itself: the kernel knows where the program's code is.
            "VmLib" => return Some((self.code * PAGE_KB).min(kernel)),
            _ => return None,
        };
        Some(pages * PAGE_KB)
    }
}

/// `status` as the program is to see it.
#[must_use]
pub fn status(kernel: &str, numbers: &Numbers) -> String {
    let mut text = String::with_capacity(kernel.len());
    for line in kernel.lines() {
        let (name, value) = line.split_once(":\t").unwrap_or((line, ""));
        let number = value.trim_end_matches(" kB").trim();
        let kilobytes = number.parse().ok().and_then(|kernel| numbers.of_line(name, kernel));
        // Writing to a String cannot fail.
        let _ = match (name, kilobytes) {
            (_, Some(kilobytes)) if value.ends_with(" kB") => writeln!(text, "{name}:\t{kilobytes:>8} kB"),
            ("Threads", _) => writeln!(text, "{name}:\t{}", numbers.threads),
            ("SigCgt", _) => writeln!(text, "{name}:\t{:016x}", numbers.handled),
            _ => writeln!(text, "{line}"),
        };
    }
    text
}

/// `stat` as the program is to see it: fields 20, 23 and 24 of proc_pid_stat(5).
#[must_use]
pub fn stat(kernel: &str, numbers: &Numbers) -> String {
    // The name in the second field may hold anything, but the last parenthesis is its end.
    let Some((head, rest)) = kernel.trim_end().rsplit_once(')') else { return kernel.to_owned() };
    let fields = rest.split_whitespace().enumerate().map(|(index, field)| match index + 3 {
        20 => numbers.threads.to_string(),
        23 => (numbers.mapped * PAGE_SIZE).to_string(),
        24 => numbers.resident().to_string(),
        _ => field.to_owned(),
    });
    format!("{head}) {}\n", fields.collect::<Vec<_>>().join(" "))
}

/// `statm` as the program is to see it (proc_pid_statm(5)); only the size of the code is the kernel's.
#[must_use]
pub fn statm(kernel: &str, numbers: &Numbers) -> String {
    let code = kernel.split_whitespace().nth(3).unwrap_or("0");
    let shared = numbers.file + numbers.shared;
    format!("{} {} {shared} {code} 0 {} 0\n", numbers.mapped, numbers.resident(), numbers.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: Numbers = Numbers {
        threads: 3,
        mapped: 1000,
        data: 400,
        stack: 100,
        code: 50,
        anon: 300,
        file: 20,
        shared: 1,
        handled: 0x11,
    };

    #[test]
    fn status_is_the_kernels_but_for_what_the_runtime_adds() {
        let kernel = "Name:\ta b: c\nTgid:\t17\nVmPeak:\t169869312 kB\nVmSize:\t169869312 kB\nVmLck:\t       0 kB\nVmRSS:\t   99999 kB\nRssAnon:\t   44 kB\nVmData:\t 1 kB\nVmStk:\t 132 kB\nVmLib:\t    9 kB\nThreads:\t5\nSigBlk:\t0000000000000000\nSigCgt:\t00000000400010c0\n";
        let seen = status(kernel, &NUMBERS);
        let expected = "Name:\ta b: c\nTgid:\t17\nVmPeak:\t    4000 kB\nVmSize:\t    4000 kB\nVmLck:\t       0 kB\nVmRSS:\t    1284 kB\nRssAnon:\t    1200 kB\nVmData:\t    1200 kB\nVmStk:\t     400 kB\nVmLib:\t       9 kB\nThreads:\t3\nSigBlk:\t0000000000000000\nSigCgt:\t0000000000000011\n";
        assert_eq!(seen, expected);
    }

    #[test]
    fn stat_keeps_a_name_with_blanks_and_parentheses() {
        let fields: Vec<String> = (4..=52).map(|field| (field * 10).to_string()).collect();
        let kernel = format!("17 (a) (b c) S {}\n", fields.join(" "));
        let seen = stat(&kernel, &NUMBERS);
        let seen = seen.strip_prefix("17 (a) (b c) S ").unwrap();
        let seen: Vec<&str> = seen.trim_end().split(' ').collect();
        assert_eq!((seen[20 - 4], seen[23 - 4], seen[24 - 4]), ("3", "4096000", "321"));
        assert_eq!((seen.len(), seen[22 - 4], seen[52 - 4]), (49, "220", "520"));
    }

    #[test]
    fn statm_has_seven_fields() {
        assert_eq!(statm("41000000 5000 4000 7 0 41000000 0\n", &NUMBERS), "1000 321 21 7 0 400 0\n");
    }

    #[test]
    fn what_is_resident_is_read_from_status() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let resident = Resident::of_status(&status);
        assert!(resident.anon > 0 && resident.file > 0);
        assert_eq!(Resident::of_status(""), Resident::default());
    }
}
