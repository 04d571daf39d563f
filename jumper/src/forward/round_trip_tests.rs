//! Real calls, shipped and made natively, have to agree.

use crate::own_fds::OwnFds;
use crate::threads::Pending;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use super::{PIECE_MAX, Patience, Refusal, Staging, add, apply_rest, encode, encode_rest, execute, must_continue};
use crate::gateway::fake::FakeMemory;
use crate::gateway::raw::syscall6;
use crate::gateway::{Call, all};

/// App addresses: odd, near the end of a page.
const A: u64 = 0x10_0ff3;
const B: u64 = 0x20_0ffd;

fn named(name: &str) -> &'static Call {
    all().find(|call| call.name == name).expect("in the table")
}

fn memory() -> FakeMemory {
    let mut memory = FakeMemory::with(A, 0x2_0000);
    memory.map(B, 0x2_0000);
    memory
}

/// The answer to the app, and how many rounds it took.
fn in_rounds(name: &str, args: [u64; 6], memory: &mut FakeMemory) -> (i64, u32) {
    let (call, mut staging) = (named(name), Staging::new());
    let (mut done, mut rounds) = (0, 0);
    loop {
        let (mut request, mut reply) = (Vec::new(), Vec::new());
        encode_rest(call, &args, done, memory, &mut request).expect("shipped");
        execute(&request, &OwnFds::default(), &mut staging, &Pending::new(), Patience::Waits, &mut reply)
            .expect("executed");
        let result = apply_rest(&reply, call, &args, done, memory).expect("applied");
        let answer;
        (done, answer) = add(done, result);
        rounds += 1;
        if !must_continue(&reply) {
            return (answer, rounds);
        }
    }
}

fn shipped(name: &str, args: [u64; 6], memory: &mut FakeMemory) -> i64 {
    let (answer, rounds) = in_rounds(name, args, memory);
    assert_eq!(rounds, 1);
    answer
}

/// The same call on this process's own memory.
fn native(name: &str, args: [u64; 6]) -> i64 {
    // SAFETY: each test passes addresses of live buffers that are as long as it says.
    unsafe { syscall6(named(name).number.into(), args) }
}

fn fd(file: &impl AsRawFd) -> u64 {
    file.as_raw_fd() as u64
}

fn path_of(file: &tempfile::NamedTempFile) -> Vec<u8> {
    [file.path().as_os_str().as_encoded_bytes(), b"\0"].concat()
}

#[test]
fn bytes_go_through_a_pipe_with_shipped_write_and_read() {
    let memory = &mut memory();
    assert_eq!(shipped("pipe2", [A, 0, 0, 0, 0, 0], memory), 0);
    let fds = memory.get(A, 8);
    let [read, write] = [0, 4].map(|at| u64::from(u32::from_le_bytes(fds[at..at + 4].try_into().expect("4 bytes"))));
    memory.put(A, b"sphinx of black quartz");
    assert_eq!(shipped("write", [write, A, 22, 0, 0, 0], memory), 22);
    memory.put(B, &[b'.'; 40]);
    assert_eq!(shipped("read", [read, B, 40, 0, 0, 0], memory), 22);
    assert_eq!(memory.get(B, 24), b"sphinx of black quartz..", "only what was read is written back");
    assert_eq!(shipped("close", [read, 0, 0, 0, 0, 0], memory), 0);
    assert_eq!(shipped("close", [write, 0, 0, 0, 0, 0], memory), 0);
}

#[test]
fn a_file_is_opened_by_path_and_read_at_an_offset() {
    let mut file = tempfile::NamedTempFile::new().expect("temporary file");
    file.write_all(b"0123456789").expect("written");
    let memory = &mut memory();
    memory.put(A, &path_of(&file));
    let opened = shipped("openat", [libc::AT_FDCWD as u64, A, 0, 0, 0, 0], memory);
    assert!(opened >= 0);
    assert_eq!(shipped("pread64", [opened as u64, B, 4, 5, 0, 0], memory), 4);
    assert_eq!(memory.get(B, 4), b"5678");
    assert_eq!(shipped("close", [opened as u64, 0, 0, 0, 0, 0], memory), 0);
    memory.put(A, b"/no/such/file\0");
    let missing = shipped("openat", [libc::AT_FDCWD as u64, A, 0, 0, 0, 0], memory);
    assert_eq!(missing, -i64::from(libc::ENOENT));
}

#[test]
fn fstat_and_stat_answer_as_natively() {
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    let (memory, mut direct) = (&mut memory(), [0_u8; 144]);
    assert_eq!(native("fstat", [fd(&file), direct.as_mut_ptr() as u64, 0, 0, 0, 0]), 0);
    assert_eq!(shipped("fstat", [fd(&file), B, 0, 0, 0, 0], memory), 0);
    assert_eq!(memory.get(B, 144), direct);
    memory.put(A, &path_of(&file));
    assert_eq!(shipped("stat", [A, B + 1, 0, 0, 0, 0], memory), 0);
    assert_eq!(memory.get(B + 1, 144), direct);
}

#[test]
fn getcwd_and_uname_answer_as_natively() {
    for (name, len) in [("getcwd", 4096), ("uname", 390)] {
        let (memory, mut direct) = (&mut memory(), vec![0_u8; 4096]);
        let expected = native(name, [direct.as_mut_ptr() as u64, 4096, 0, 0, 0, 0]);
        assert_eq!(shipped(name, [B, 4096, 0, 0, 0, 0], memory), expected, "{name}");
        assert_eq!(memory.get(B, len), direct[..len], "{name}");
    }
    assert_eq!(shipped("getcwd", [B, 1, 0, 0, 0, 0], &mut memory()), -i64::from(libc::ERANGE));
}

#[test]
fn clock_gettime_lies_between_two_native_ones() {
    let memory = &mut memory();
    let now = || {
        let mut time = [0_u64; 2];
        assert_eq!(native("clock_gettime", [1, time.as_mut_ptr() as u64, 0, 0, 0, 0]), 0);
        time
    };
    let before = now();
    assert_eq!(shipped("clock_gettime", [1, B, 0, 0, 0, 0], memory), 0);
    let bytes = memory.get(B, 16);
    let shipped = [0, 8].map(|at| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes")));
    assert!(before <= shipped && shipped <= now());
}

#[test]
fn getdents64_lists_what_it_lists_natively() {
    let folder = tempfile::tempdir().expect("temporary folder");
    (0..40).for_each(|i| std::fs::write(folder.path().join(format!("entry-{i}")), b"").expect("written"));
    let open = || std::fs::File::open(folder.path()).expect("folder");
    let (memory, mut direct) = (&mut memory(), vec![0_u8; 1000]);
    let (one, other) = (open(), open());
    loop {
        let expected = native("getdents64", [fd(&one), direct.as_mut_ptr() as u64, 1000, 0, 0, 0]);
        assert_eq!(shipped("getdents64", [fd(&other), B, 1000, 0, 0, 0], memory), expected);
        assert!(expected >= 0);
        assert_eq!(memory.get(B, expected as usize), direct[..expected as usize]);
        if expected == 0 {
            break;
        }
    }
}

#[test]
fn poll_and_select_report_a_readable_pipe() {
    let (reader, mut writer) = std::io::pipe().expect("pipe");
    let memory = &mut memory();
    let pollfd = |revents: u64| (fd(&reader) | 1 << 32 | revents << 48).to_le_bytes();
    memory.put(A, &pollfd(0));
    assert_eq!(shipped("poll", [A, 1, 0, 0, 0, 0], memory), 0);
    writer.write_all(b"x").expect("written");
    assert_eq!(shipped("poll", [A, 1, 0, 0, 0, 0], memory), 1);
    assert_eq!(memory.get(A, 8), pollfd(1));

    let words = fd(&reader) as usize / 64 + 1;
    let mut set = vec![0; words];
    set[words - 1] = 1 << (fd(&reader) % 64);
    memory.put_words(A, &set);
    memory.put_words(B, &[0, 0]);
    assert_eq!(shipped("select", [64 * words as u64, A, 0, 0, B, 0], memory), 1);
}

#[test]
fn writev_gathers_and_readv_scatters() {
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    let memory = &mut memory();
    memory.put(A, b"onetwothree");
    memory.put_words(B, &[A, 3, 0, 0, A + 6, 5, A + 3, 3]);
    assert_eq!(shipped("writev", [fd(&file), B, 4, 0, 0, 0], memory), 11);
    assert_eq!(std::fs::read(file.path()).expect("readable"), b"onethreetwo");

    memory.put(A, &[b'.'; 30]);
    memory.put_words(B, &[A + 10, 2, A, 5, A + 20, 100]);
    assert_eq!(shipped("preadv", [fd(&file), B, 3, 1, 0, 0], memory), 10);
    assert_eq!(memory.get(A, 25), b"three.....ne........two..");
}

#[test]
fn a_large_write_and_read_of_a_file_take_several_rounds_and_one_answer() {
    const LEN: usize = 5 * PIECE_MAX as usize / 2;
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    let contents: Vec<u8> = (0..LEN).map(|i| (i / 7) as u8).collect();
    let mut memory = FakeMemory::with(A, LEN as u64);
    memory.map(B, 64);
    memory.put(A, &contents);
    assert_eq!(in_rounds("write", [fd(&file), A, LEN as u64, 0, 0, 0], &mut memory), (LEN as i64, 3));
    assert_eq!(std::fs::read(file.path()).expect("readable"), contents);

    memory.put(A, &vec![0; LEN]);
    assert_eq!(in_rounds("pread64", [fd(&file), A, LEN as u64, 0, 0, 0], &mut memory), (LEN as i64, 3));
    assert_eq!(memory.get(A, LEN), contents);

    memory.put(A, &vec![0; LEN]);
    memory.map(0x40_0000 - 0x1000, 0x1000);
    memory.put_words(0x40_0000 - 0x1000, &[A, 9, A + 9, LEN as u64]);
    let args = [fd(&file), 0x40_0000 - 0x1000, 2, 0, 0, 0];
    assert_eq!(in_rounds("preadv", args, &mut memory), (LEN as i64, 3));
    assert_eq!(memory.get(A, LEN), contents);
}

#[test]
fn a_large_read_of_a_pipe_ends_with_the_first_piece() {
    let (reader, mut writer) = std::io::pipe().expect("pipe");
    let sized = native("fcntl", [fd(&writer), libc::F_SETPIPE_SZ as u64, PIECE_MAX, 0, 0, 0]);
    assert_eq!(sized, PIECE_MAX as i64);
    writer.write_all(&vec![7; PIECE_MAX as usize]).expect("written");
    let mut memory = FakeMemory::with(A, 2 * PIECE_MAX);
    let answer = in_rounds("read", [fd(&reader), A, 2 * PIECE_MAX, 0, 0, 0], &mut memory);
    assert_eq!(answer, (PIECE_MAX as i64, 1), "another round would block for ever");
}

#[test]
fn a_write_from_the_edge_of_mapped_memory_is_homes_and_a_read_stops_there() {
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    let mut memory = FakeMemory::with(0x10_0000, 4096);
    memory.put(0x10_0ffa, b"abcdef");
    // A file takes what is there, a pipe may take nothing: the kernel at home knows.
    let write = [fd(&file), 0x10_0ffa, 5000, 0, 0, 0];
    assert_eq!(encode(named("write"), &write, &mut memory, &mut Vec::new()), Err(Refusal::Home));
    file.as_file().write_all_at(b"012345", 0).expect("written");
    assert_eq!(shipped("pread64", [fd(&file), 0x10_0ffd, 6, 0, 0, 0], &mut memory), 3);
    assert_eq!(memory.get(0x10_0ffd, 3), b"012");
}

#[test]
fn bad_addresses_are_faults_and_calls_for_home_are_refused() {
    let (mut memory, mut request) = (memory(), b"kept".to_vec());
    let mut refusal = |name: &str, args: [u64; 6]| {
        let refused = encode(named(name), &args, &mut memory, &mut request).expect_err("refused");
        assert_eq!(request, b"kept");
        refused
    };
    assert!(matches!(refusal("open", [0x6666_0000, 0, 0, 0, 0, 0]), Refusal::Fault(_)));
    assert!(matches!(refusal("write", [1, 0x6666_0000, 9, 0, 0, 0]), Refusal::Fault(_)));
    assert!(matches!(refusal("writev", [1, 0x6666_0000, 9, 0, 0, 0]), Refusal::Fault(_)));
    assert_eq!(refusal("mmap", [0; 6]), Refusal::Home);
    assert_eq!(refusal("sendmsg", [1, A, 0, 0, 0, 0]), Refusal::Home);
    assert_eq!(refusal("write", [1, A, u64::MAX, 0, 0, 0]), Refusal::Home);
    assert_eq!(refusal("recvfrom", [1, A, 17 << 20, 0, 0, 0]), Refusal::Home);
    assert_eq!(refusal("writev", [1, A, 1025, 0, 0, 0]), Refusal::Home);
}

#[test]
fn socket_calls_fill_the_address_and_its_length() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let memory = &mut memory();
    memory.put(A, &64_u32.to_le_bytes());
    memory.put(B, &[0xee; 64]);
    assert_eq!(shipped("getsockname", [fd(&listener), B, A, 0, 0, 0], memory), 0);
    assert_eq!(memory.get(A, 4), 16_u32.to_le_bytes());
    let port = listener.local_addr().expect("bound").port();
    assert_eq!(memory.get(B, 4), [&2_u16.to_le_bytes()[..], &port.to_be_bytes()].concat());
    assert_eq!(memory.get(B + 16, 48), [0xee; 48], "beyond the address nothing changes");
}

/// What a call on nothing answers while a signal waits for its thread.
fn with_signal_waiting(name: &str, args: [u64; 6]) -> i64 {
    let (call, memory, signals) = (named(name), &mut memory(), Pending::new());
    // SAFETY: a siginfo_t is plain integers.
    signals.push(unsafe { std::mem::zeroed() });
    let (mut request, mut reply) = (Vec::new(), Vec::new());
    encode(call, &args, memory, &mut request).expect("shipped");
    execute(&request, &OwnFds::default(), &mut Staging::new(), &signals, Patience::Waits, &mut reply)
        .expect("executed");
    apply_rest(&reply, call, &args, 0, memory).expect("applied")
}

#[test]
fn a_signal_that_comes_before_the_call_ends_what_a_handler_always_ends_and_has_the_others_made_anew() {
    let restart = crate::traps::interruptible::RESTART;
    assert_eq!(with_signal_waiting("poll", [A, 0, 10_000, 0, 0, 0]), -i64::from(libc::EINTR));
    assert_eq!(with_signal_waiting("epoll_wait", [u64::MAX, A, 1, 10_000, 0, 0]), -i64::from(libc::EINTR));
    assert_eq!(with_signal_waiting("read", [u64::MAX, A, 1, 0, 0, 0]), restart);
    assert_eq!(with_signal_waiting("ppoll", [A, 0, 0, 0, 8, 0]), restart, "it tells how much time was left");
}
