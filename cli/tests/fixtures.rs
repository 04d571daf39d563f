//! The C fixtures: the same output and the same end natively and under eos-rdma, in every mode.

#[path = "support/harness.rs"]
mod harness;

use harness::{Program, root};

const QUIET: &str = "--local 2 --memory 16M --jump never";
const JUMPING: &str = "--local 2 --memory 8M";
const EAGER: &str = "--local 2 --memory 4M --jump 3";
const TCP: &str = "--local 2 --memory 8M --transport tcp";
const TORTURE: [&str; 4] = [
    "--local 2 --memory 8M --torture 1",
    "--local 2 --memory 4M --torture 2",
    "--local 3 --memory 8M --torture 3 --transport tcp",
    "--local 1 --memory 8M --torture 4 --jump never",
];

fn everywhere(program: &Program) {
    program.same(&[QUIET, JUMPING, EAGER, TCP]);
    program.same(&TORTURE);
}

#[test]
fn every_kind_of_executable_starts() {
    for name in ["hello_dynamic", "hello_nonpie", "hello_static", "hello_static_pie", "hello_bind_now"] {
        everywhere(&Program::fixture(name, &["two words", ""]));
    }
}

#[test]
fn arguments_environment_and_auxiliary_vector_are_those_of_a_native_start() {
    everywhere(&Program { env_clear: true, ..Program::fixture("stack_args", &["one", "", "three words"]) });
}

#[test]
fn random_memory_calls_do_what_they_do_natively() {
    for seed in ["1", "2", "3", "4", "5", "6"] {
        let program = Program::fixture("mmap_torture", &[seed, "3000"]);
        program.same(&[QUIET, JUMPING, EAGER]);
        program.same(&TORTURE[..2]);
    }
}

#[test]
fn bad_pointers_give_the_same_errors() {
    everywhere(&Program::fixture("efault", &[]));
}

#[test]
fn ordinary_system_calls_answer_as_natively() {
    everywhere(&Program::fixture("syscalls", &[]));
}

#[test]
fn reads_and_writes_larger_than_the_budget_are_whole() {
    let full = std::env::var_os("EOS_FULL").is_some();
    let (mib, options) = if full { ("1024", "--local 2 --memory 64M") } else { ("96", "--local 2 --memory 6M") };
    let program = Program::fixture("big_read", &[mib]);
    program.same(&[options, &format!("{options} --jump never"), &format!("{options} --transport tcp")]);
    Program::fixture("big_read", &["12"]).same(&TORTURE);
    Program::fixture("writev_readv", &["12"]).same(&[QUIET, JUMPING, TCP]);
    Program::fixture("writev_readv", &["3"]).same(&TORTURE);
}

#[test]
fn file_mappings_of_every_kind_show_what_they_show_natively() {
    Program::fixture("file_maps", &["16"]).same(&[QUIET, JUMPING, EAGER, TCP]);
    Program::fixture("file_maps", &["2"]).same(&TORTURE);
}

#[test]
fn vector_and_floating_point_state_survives_faults_and_jumps() {
    Program::fixture("float_jump", &["16"]).same(&[QUIET, JUMPING, EAGER, TCP]);
    Program::fixture("float_jump", &["4"]).same(&TORTURE);
}

#[test]
fn deep_recursion_uses_as_much_stack_as_the_limit_allows() {
    Program::fixture("deep_recursion", &["6"]).same(&[QUIET, JUMPING, EAGER, TORTURE[0]]);
    let limits = [("200", "ulimit -s 262144"), ("200", "ulimit -s unlimited")];
    for (mib, limit) in limits {
        let program = Program::fixture("deep_recursion", &[mib]).before(limit);
        program.same(&[QUIET, JUMPING, TCP]);
    }
    let too_deep = Program::fixture("deep_recursion", &["20"]).before("ulimit -c 0");
    too_deep.same(&[QUIET, JUMPING]);
}

#[test]
fn errors_of_the_program_are_its_own() {
    let modes = Program::fixture("segv", &[]).natively().stdout();
    assert!(modes.split_whitespace().count() > 20, "{modes}");
    for mode in modes.split_whitespace() {
        Program::fixture("segv", &[mode]).same(&[QUIET, JUMPING, TORTURE[0], TORTURE[1]]);
    }
}

#[test]
fn scripts_run_by_the_interpreter_of_their_first_line() {
    let sources = root().join("jumper/tests/fixtures");
    everywhere(&Program::new(sources.join("script.sh"), &["a", "b c"]));
    // The script names env(1), which needs execve(2); the copy names the interpreter itself.
    let text = std::fs::read_to_string(sources.join("script.py")).expect("readable");
    let python =
        ["/usr/bin/python3", "/usr/local/bin/python3"].into_iter().find(|path| std::path::Path::new(path).exists());
    let python = python.expect("python3 is installed; scripts/setup does it");
    let rest = text.split_once('\n').expect("lines").1;
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("script.py");
    std::fs::write(&copy, format!("#!{python} -E\n{rest}")).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&copy, mode).expect("executable");
    Program::new(&copy, &["40000"]).same(&[QUIET, JUMPING, TCP]);
    // Tortured, an interpreter of this size takes half a minute; tests/programs.rs does that.
}
