//! Plans of real files, compiled here with cc, and of damaged ones.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

pub(super) const INTERP_BASE: u64 = 0x4000_0000_0000;

/// Tells what its initial stack told it, then its path; a big zeroed array and a constructor check its bss and its data.
pub(super) const PROBE: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>
static char zeros[100000]; static int data = 41;
__attribute__((constructor)) static void raise_data(void) { data++; }
int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++) printf("argv %s\n", argv[i]);
    printf("execfn %s\n", (char *)getauxval(AT_EXECFN));
    printf("platform %s\n", (char *)getauxval(AT_PLATFORM));
    printf("name %s\n", getenv("PROBE_NAME"));
    char exe[4096]; int n = readlink("/proc/self/exe", exe, sizeof exe);
    printf("exe %.*s\n", n, exe);
    for (unsigned i = 0; i < sizeof zeros; i++) if (zeros[i]) return 2;
    return data == 42 ? 0 : 3;
}
"#;

pub(super) fn compile(dir: &Path, name: &str, source: &str, flags: &[&str]) -> Option<PathBuf> {
    let c = dir.join(format!("{name}.c"));
    let out = dir.join(name);
    fs::write(&c, source).unwrap();
    let done = Command::new("cc").arg("-o").arg(&out).arg(&c).args(flags).output().unwrap();
    if !done.status.success() {
        eprintln!("cc {flags:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    done.status.success().then_some(out)
}

pub(super) fn probe(dir: &TempDir, flags: &[&str]) -> PathBuf {
    compile(dir.path(), "probe", PROBE, flags).expect("cc compiles the probe")
}

pub(super) fn put(path: &Path, bytes: impl AsRef<[u8]>) -> PathBuf {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.into()
}

pub(super) fn args(path: &Path, rest: &[&str]) -> Vec<OsString> {
    std::iter::once(path.as_os_str().to_owned()).chain(rest.iter().map(Into::into)).collect()
}

pub(super) fn plan_of(path: &Path) -> Result<Plan, LoadError> {
    plan(path, args(path, &[]), INTERP_BASE)
}

/// Every segment lies in its image, in order, and the file part within the file.
fn check_image(image: &ImagePlan) {
    let file_len = image.file.metadata().unwrap().len();
    let mut at = image.start;
    for s in &image.segments {
        assert!(s.addr >= at && s.addr % PAGE == 0 && s.file_offset % PAGE == 0, "{s:x?}");
        assert!(s.map_len % PAGE == 0 && s.bss_len % PAGE == 0 && s.zero_len < PAGE, "{s:x?}");
        assert!(s.file_len <= s.map_len && s.file_offset + s.file_len <= file_len, "{s:x?}");
        assert_eq!(s.bss_addr, s.addr + s.map_len);
        at = s.bss_addr + s.bss_len;
    }
    assert_eq!(at, image.end);
    assert!(image.start <= image.entry && image.entry < image.end);
    assert!(image.start <= image.phdr && image.phdr < image.end);
}

#[test]
fn a_dynamic_pie_goes_to_its_base_with_its_linker_beside_it() {
    let dir = TempDir::new().unwrap();
    let plan = plan_of(&probe(&dir, &["-pie", "-fPIE"])).unwrap();
    assert_eq!((plan.main.start, plan.main.bias), (MAIN_BASE, MAIN_BASE));
    assert_eq!(plan.main.phdr, MAIN_BASE + 64);
    let interp = plan.interp.as_ref().unwrap();
    assert_eq!((interp.start, plan.interp_bias()), (INTERP_BASE, INTERP_BASE));
    assert_eq!(plan.start(), interp.entry);
    assert_eq!(plan.brk_start, plan.main.end);
    assert!(!plan.exec_stack && plan.warnings.is_empty());
    check_image(&plan.main);
    check_image(interp);
}

#[test]
fn a_static_pie_and_the_linker_itself_go_where_linkers_go() {
    let dir = TempDir::new().unwrap();
    let mut programs = vec![PathBuf::from("/lib64/ld-linux-x86-64.so.2")];
    programs.extend(compile(dir.path(), "sp", PROBE, &["-static-pie", "-fPIE"]));
    for program in programs {
        let plan = plan_of(&program).unwrap();
        assert_eq!(plan.main.start, INTERP_BASE);
        assert_eq!((plan.interp_bias(), plan.start()), (0, plan.main.entry));
        assert_eq!(plan.brk_start, MAIN_BASE);
        check_image(&plan.main);
    }
}

#[test]
fn non_pie_executables_keep_their_addresses() {
    let dir = TempDir::new().unwrap();
    for flags in [["-no-pie", "-fno-pie"], ["-static", "-no-pie"]] {
        let plan = plan_of(&probe(&dir, &flags)).unwrap();
        assert_eq!((plan.main.bias, plan.main.start), (0, 0x40_0000));
        assert_eq!(plan.interp.is_some(), flags[0] == "-no-pie");
        assert_eq!(plan.brk_start, plan.main.end);
        check_image(&plan.main);
    }
}

#[test]
fn a_program_that_asks_for_impossible_addresses_is_told_to_be_pie() {
    let dir = TempDir::new().unwrap();
    for at in ["0x600000000000", "0x4000"] {
        let flag = format!("-Wl,-Ttext-segment={at}");
        let flags = ["-no-pie", "-fno-pie", "-static", "-nostdlib", &flag];
        let path = compile(dir.path(), "odd", "void _start(void) {}", &flags).unwrap();
        let e = plan_of(&path).unwrap_err();
        assert!(matches!(e, LoadError::AddressTaken { .. }), "{e}");
        assert!(e.to_string().contains("cc -pie"), "{e}");
        assert_eq!(e.exit_status(), 126);
    }
}

#[test]
fn alignment_and_executable_stack_are_read_from_the_file() {
    let dir = TempDir::new().unwrap();
    let flags = ["-pie", "-fPIE", "-Wl,-z,max-page-size=0x200000", "-Wl,-z,execstack"];
    let plan = plan_of(&probe(&dir, &flags)).unwrap();
    assert_eq!(plan.main.bias % (1 << 21), 0);
    assert!(plan.exec_stack);
}

#[test]
fn setuid_programs_are_planned_with_a_warning() {
    let dir = TempDir::new().unwrap();
    let path = probe(&dir, &[]);
    // Only root can give the file away; anybody else's own setuid program gains nothing.
    let foreign = rustix::process::geteuid().is_root();
    if foreign {
        std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o6755)).unwrap();
    let want: &[_] = if foreign { &[Warning::SetUid(65534), Warning::SetGid(65534)] } else { &[] };
    assert_eq!(plan_of(&path).unwrap().warnings, want);
}

#[test]
fn files_for_other_machines_and_broken_files_are_told_apart() {
    let dir = TempDir::new().unwrap();
    let elf = fs::read(probe(&dir, &[])).unwrap();
    let with = |at: usize, value: u8| {
        let mut bytes = elf.clone();
        bytes[at] = value;
        bytes
    };
    let cases: [(Vec<u8>, &str); 12] = [
        (with(18, 183), "64-bit ARM"),
        (with(4, 1), "x32 program"),
        (with(18, 3)[..].iter().enumerate().map(|(i, &b)| if i == 4 { 1 } else { b }).collect(), "32-bit x86"),
        (with(5, 2), "another machine"),
        (with(6, 9), "not a valid ELF header"),
        (with(16, 1), "not linked"),
        (with(16, 4), "core dump"),
        (with(54, 32), "wrong size"),
        (with(56, 0), "no program headers"),
        (elf[..elf.len() / 2].to_vec(), "cut short"),
        (elf[..10].to_vec(), "ends within its header"),
        (b"echo hello\n".to_vec(), "no known program format"),
    ];
    for (bytes, words) in cases {
        let e = plan_of(&put(&dir.path().join("bad"), bytes)).unwrap_err();
        assert!(e.to_string().contains(words), "want {words:?}: {e}");
        assert_eq!(e.exit_status(), 126, "{e}");
    }
}

#[test]
fn a_missing_interpreter_is_named_and_gives_127() {
    let dir = TempDir::new().unwrap();
    let elf = probe(&dir, &["-pie", "-fPIE", "-Wl,--dynamic-linker=/no/ld.so"]);
    let script = put(&dir.path().join("s"), "#!/no/ld.so\n");
    for path in [elf, script] {
        let e = plan_of(&path).unwrap_err();
        assert!(e.to_string().contains("/no/ld.so"), "{e}");
        assert_eq!(e.exit_status(), 127);
    }
}

/// A whole small program.
static ELF_BYTES: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
    let dir = TempDir::new().unwrap();
    fs::read(probe(&dir, &["-pie", "-fPIE"])).unwrap()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn corrupt_headers_are_refused_or_planned_but_never_panic(
        changes in prop::collection::vec((0usize..64 + 13 * 56, any::<u8>()), 1..6),
        words in prop::collection::vec((0usize..13 * 7, prop_oneof![Just(u64::MAX), Just(0), Just(1 << 63), any::<u64>()]), 0..4),
        cut in prop::option::of(0usize..4096),
    ) {
        let mut bytes = ELF_BYTES.clone();
        for (at, value) in changes {
            bytes[at] = value;
        }
        for (i, value) in words {
            bytes[64 + 8 * i..72 + 8 * i].copy_from_slice(&value.to_le_bytes());
        }
        bytes.truncate(cut.unwrap_or(bytes.len()));
        if let Ok(elf) = elf::parse(&bytes[..]) {
            for base in [INTERP_BASE, MAIN_BASE] {
                if let Some(bias) = place::bias_for(&elf, base) {
                    let image = place::place(&elf, File::open("/dev/null").unwrap(), bias);
                    prop_assert!(image.start >= APP_START && image.end <= APP_END && image.start < image.end);
                }
            }
        }
    }
}
