use super::*;

const MIB: u64 = 1 << 20;

/// A root with these files.
fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let machine = [
        ("proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:    8388608 kB\n"),
        ("proc/self/statm", "500 256 10 1 0 5 0\n"),
    ];
    for (path, contents) in machine.iter().chain(files) {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, contents).expect("a file");
    }
    root
}

fn read(files: &[(&str, &str)]) -> (Facts, u64) {
    let root = root(files);
    let spare = Spare::open_at(root.path()).expect("files");
    (spare.read().expect("facts"), spare.total().expect("a total"))
}

#[test]
fn without_groups_it_is_what_the_kernel_estimates() {
    let (facts, total) = read(&[]);
    assert_eq!(facts, Facts { available: 8192 * MIB, ours: MIB, stalled_percent: 0.0 });
    assert_eq!(total, 16384 * MIB);
}

#[test]
fn the_tightest_group_of_version_2_counts_and_so_does_its_pressure() {
    let (facts, total) = read(&[
        ("proc/self/cgroup", "0::/slice/run\n"),
        ("proc/pressure/memory", "some avg10=0.50 avg60=0 avg300=0 total=1\nfull avg10=9 avg60=0 avg300=0 total=0\n"),
        ("sys/fs/cgroup/slice/run/memory.max", "max\n"),
        ("sys/fs/cgroup/slice/run/memory.current", "1048576\n"),
        ("sys/fs/cgroup/slice/run/memory.stat", "anon 1\n"),
        ("sys/fs/cgroup/slice/memory.max", "104857600\n"),
        ("sys/fs/cgroup/slice/memory.current", "73400320\n"),
        ("sys/fs/cgroup/slice/memory.stat", "anon 1\ninactive_file 10485760\nactive_file 7\n"),
        ("sys/fs/cgroup/slice/memory.pressure", "some avg10=12.25 avg60=0.00 avg300=0.00 total=9\n"),
    ]);
    // 100 MiB, of which 70 are used, 10 of them only by cached files.
    assert_eq!(facts.available, 40 * MIB);
    assert_eq!(facts.stalled_percent, 12.25);
    assert_eq!(total, 100 * MIB);
}

#[test]
fn version_1_has_other_names_and_a_path_that_cannot_be_seen_is_the_root() {
    let (facts, total) = read(&[
        ("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "52428800\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "41943040\n"),
        ("sys/fs/cgroup/memory/memory.stat", "inactive_file 9\ntotal_inactive_file 1048576\n"),
    ]);
    assert_eq!((facts.available, total), (11 * MIB, 50 * MIB));
}

#[test]
fn a_group_of_version_1_without_a_limit_says_a_huge_number() {
    let (facts, total) = read(&[
        ("proc/self/cgroup", "4:memory:/\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "41943040\n"),
        ("sys/fs/cgroup/memory/memory.stat", ""),
    ]);
    assert_eq!((facts.available, total), (8192 * MIB, 16384 * MIB));
}

#[test]
fn this_machine_has_memory() {
    let spare = Spare::open().expect("files");
    let facts = spare.read().expect("facts");
    assert!(facts.ours > 0 && facts.available > 0 && spare.total().expect("a total") >= facts.ours);
}
