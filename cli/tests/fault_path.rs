//! What a page and a jump cost in system calls and work requests, counted over whole runs: a run of N against one of 2N, so that all
//! else cancels out. Over rdma these need a device: scripts/rxe-test runs them in a guest.

#[path = "support/harness.rs"]
mod harness;
#[path = "support/tracer.rs"]
mod tracer;

use harness::{LIMIT, Program};
use serde_json::Value;
use tracer::{Calls, trace};

/// N, the count of pulls.
const COUNT: u64 = 50;
/// N, the count of rounds of a jump there and one back: 2N rounds go to all places that the fixture has.
const ROUNDS: u64 = 7;

/// What one run has counted: system calls between the last two marks, and the statistics.
struct Counted {
    calls: Calls,
    stats: Value,
}

fn run(mode: &str, count: u64, options: &str) -> Counted {
    // on a machine that is very busy an emulated device may give a packet up, or its peer; what a broken link costs is not meant here
    let mut tries = std::iter::repeat_with(|| run_once(mode, count, options)).take(5).flatten();
    tries.find(|counted| counted.number("/work_requests/recoveries") == 0).expect("a run in which no queue pair breaks")
}

/// None where it ended with an error of the runtime's, which has said why.
fn run_once(mode: &str, count: u64, options: &str) -> Option<Counted> {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("stats.json");
    let options = format!("--local 1 --memory 2M --stats-json {} {options}", json.display());
    // few descriptors: the runtime's start goes through half of all numbers, and a traced call is slow
    let program = Program::fixture("touch_probe", &[mode, &count.to_string()]).before("ulimit -n 128");
    let mut parts = match trace(&mut program.under_eos(&options), LIMIT) {
        Ok(parts) => parts,
        Err(status) => {
            assert_eq!(libc::WEXITSTATUS(status), 125, "the wait status {status:#x}");
            return None;
        }
    };
    // the shell in front may ask for its parent too
    assert!(parts.len() >= 4, "three marks");
    let between = parts.swap_remove(parts.len() - 2);
    let stats = std::fs::read_to_string(&json).expect("written");
    Some(Counted { calls: between, stats: serde_json::from_str(&stats).expect("JSON") })
}

impl Counted {
    fn number(&self, pointer: &str) -> u64 {
        let number = self.stats.pointer(pointer).and_then(Value::as_u64);
        number.unwrap_or_else(|| panic!("{pointer} in {}", self.stats))
    }
}

/// What a run of twice the count did more.
struct Difference {
    one: Counted,
    two: Counted,
}

impl Difference {
    fn between(mode: &str, count: u64, options: &str) -> Difference {
        Difference { one: run(mode, count, options), two: run(mode, 2 * count, options) }
    }

    fn number(&self, pointer: &str) -> u64 {
        self.two.number(pointer) - self.one.number(pointer)
    }

    /// Of each system call that the marked part has more of; without those that only wait, as their number depends on who is fast.
    fn calls(&self, waiting: &[&str]) -> Vec<(&str, i64)> {
        let count = |calls: &Calls, name| calls.get(name).map_or(0, |count| count.cast_signed());
        let names =
            self.two.calls.keys().chain(self.one.calls.keys().filter(|name| !self.two.calls.contains_key(*name)));
        let more = names.map(|name| (name.as_str(), count(&self.two.calls, name) - count(&self.one.calls, name)));
        let mut more: Vec<_> =
            more.filter(|(name, more)| *more != 0 && !waiting.iter().any(|word| name.starts_with(word))).collect();
        // The governor looks into the house a few times a second; who meets it there waits. That is chance, and never a call a pull.
        more.retain(|(name, more)| *name != "futex" || more.unsigned_abs() > COUNT / 10);
        more.sort_unstable();
        more
    }
}

const PULLS: i64 = COUNT.cast_signed();

#[test]
fn over_shm_a_pull_is_one_copy_and_the_return_from_the_signal() {
    let more = Difference::between("pulls", COUNT, "--jump never --prefetch off --transport shm");
    assert_eq!((more.number("/pulls"), more.number("/pushes")), (COUNT, 0));
    assert_eq!(more.calls(&[]), [("UFFDIO_COPY", PULLS), ("rt_sigreturn", PULLS)]);
}

#[test]
fn over_tcp_a_pull_is_one_request_and_nothing_else_but_waiting_for_the_answer() {
    let more = Difference::between("pulls", COUNT, "--jump never --prefetch off --transport tcp");
    assert_eq!((more.number("/pulls"), more.number("/pushes")), (COUNT, 0));
    let waiting = ["recv", "poll", "ppoll", "sched_yield"];
    assert_eq!(more.calls(&waiting), [("UFFDIO_COPY", PULLS), ("rt_sigreturn", PULLS), ("sendto", PULLS)]);
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn over_rdma_a_pull_is_one_read_and_posting_it_is_all_the_provider_is_asked_for() {
    let more = Difference::between("pulls", COUNT, "--jump never --prefetch off --transport rdma");
    assert_eq!((more.number("/pulls"), more.number("/pushes")), (COUNT, 0));
    assert_eq!(more.number("/work_requests/reads"), COUNT);
    assert_eq!((more.number("/work_requests/writes"), more.number("/work_requests/sends")), (0, 0));
    // an emulated device takes longer than the time of polling, so the reader goes to sleep; hardware has no system call to post
    let waiting = ["REQ_NOTIFY_CQ", "read anon_inode:[infinibandevent]", "poll", "ppoll", "sched_yield"];
    assert_eq!(more.calls(&waiting), [("POST_SEND", PULLS), ("UFFDIO_COPY", PULLS), ("rt_sigreturn", PULLS)]);
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn over_rdma_a_jump_is_one_send() {
    let more = Difference::between("jumps", ROUNDS, "--jump 1 --transport rdma");
    assert_eq!(more.number("/jumps"), 2 * ROUNDS, "each round goes there and back");
    assert_eq!(more.number("/work_requests/sends"), 2 * ROUNDS);
    assert_eq!(more.number("/work_requests/reads"), more.number("/pulls"));
}
