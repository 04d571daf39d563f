//! The page in this process, with home's clocks: its functions, and a trap at each of their instructions.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::image::marks;
use super::*;
use crate::traps::context::Frame;

/// What the trap flag does to the program, and slots, are one a process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const TRAP_FLAG: u64 = 0x100;

/// Address of an exported function, once the page is mapped.
fn function(name: &str) -> u64 {
    static MAPPED: Mutex<bool> = Mutex::new(false);
    let mut mapped = MAPPED.lock().unwrap();
    if !*mapped {
        // SAFETY: no test maps anything there.
        unsafe { map(true) }.unwrap();
        *mapped = true;
    }
    let symbols = kernel::symbols(mapped_bytes(), 0).unwrap();
    IMAGE + symbols.iter().find(|(symbol, _)| *symbol == name.as_bytes()).expect("exported").1
}

fn mapped_bytes() -> &'static [u8] {
    // SAFETY: for after `map` only: readable, and never unmapped.
    unsafe { std::slice::from_raw_parts(IMAGE as *const u8, image::bytes().len()) }
}

/// Calls a function of the page with two arguments. All registers that a function must preserve are checked; with `steps` every
/// instruction traps.
fn call(at: u64, args: [u64; 2], steps: bool) -> u64 {
    let (result, spoilt): (u64, u64);
    // SAFETY: a C function of two arguments; rbx and rbp are put back by hand, as the compiler keeps them for itself.
    unsafe {
        std::arch::asm!(
            "push rbx",
            "push rbp",
            "mov rbx, 11",
            "mov rbp, 12",
            "mov r12, 13",
            "mov r13, 14",
            "mov r14, 15",
            "mov r15, rsp",
            "and rsp, -16",
            "push r15",
            "push r15",
            "pushfq",
            "or [rsp], rcx",
            "popfq",
            "call rax",
            "pushfq",
            "and qword ptr [rsp], -257",
            "popfq",
            "cmp r15, [rsp]",
            "setne dl",
            "pop rsp",
            "sub rbx, 11",
            "sub rbp, 12",
            "sub r12, 13",
            "sub r13, 14",
            "sub r14, 15",
            "or rbx, rbp",
            "or r12, r13",
            "or rbx, r14",
            "or r12, rbx",
            "movzx edx, dl",
            "or rdx, r12",
            "pop rbp",
            "pop rbx",
            inout("rax") at => result,
            in("rcx") if steps { TRAP_FLAG } else { 0 },
            inout("rdi") args[0] => _, inout("rsi") args[1] => _, out("rdx") spoilt,
            out("r12") _, out("r13") _, out("r14") _, out("r15") _,
            clobber_abi("C"),
        );
    }
    assert_eq!(spoilt, 0, "registers that are the caller's");
    result
}

fn page_time(clock: libc::clockid_t) -> i64 {
    let mut now = [-1_i64; 2];
    assert_eq!(call(function("__vdso_clock_gettime"), [clock as u64, now.as_mut_ptr() as u64], false), 0);
    now[0] * 1_000_000_000 + now[1]
}

#[test]
fn the_image_is_an_elf_file_with_the_names_and_the_version_of_the_kernels() {
    let _one = ONE_AT_A_TIME.lock().unwrap();
    function("__vdso_time");
    let bytes = mapped_bytes();
    let names: Vec<_> = kernel::symbols(bytes, 0).unwrap().into_iter().map(|(name, _)| name).collect();
    let all = ["clock_gettime", "gettimeofday", "time", "clock_getres", "getcpu"];
    assert_eq!(names, all.map(|name| format!("__vdso_{name}").into_bytes()));
    let text = String::from_utf8_lossy(bytes);
    assert!(text.contains("LINUX_2.6") && text.contains("linux-vdso.so.1"));
}

#[test]
fn at_home_clocks_tell_what_the_kernel_tells() {
    let _one = ONE_AT_A_TIME.lock().unwrap();
    for served in &time::SERVED {
        let (before, now) = (time::kernel_time(served.number), page_time(served.number));
        assert!((before..=time::kernel_time(served.number)).contains(&now), "clock {}", served.number);
    }
    let mut day = [-1_i64; 2];
    let before = time::kernel_time(libc::CLOCK_REALTIME) / 1000;
    assert_eq!(call(function("__vdso_gettimeofday"), [day.as_mut_ptr() as u64, 0], false), 0);
    let after = time::kernel_time(libc::CLOCK_REALTIME) / 1000;
    assert!((before..=after).contains(&(day[0] * 1_000_000 + day[1])));
    let mut seconds = -1_i64;
    let told = call(function("__vdso_time"), [(&raw mut seconds) as u64, 0], false);
    assert!(told == seconds.cast_unsigned() && (told - before.cast_unsigned() / 1_000_000) <= 1);
    let mut cpu = [u32::MAX; 2];
    let at = cpu.as_mut_ptr() as u64;
    assert_eq!(call(function("__vdso_getcpu"), [at, at + 4], false), 0);
    assert!(cpu[0] < 8192 && cpu[1] < 1024, "{cpu:?}");
}

#[test]
fn bad_clocks_are_the_kernels_business() {
    let _one = ONE_AT_A_TIME.lock().unwrap();
    let mut now = [-1_i64; 2];
    for (clock, answer) in [(77, -i64::from(libc::EINVAL)), (i64::from(libc::CLOCK_PROCESS_CPUTIME_ID), 0)] {
        let args = [clock as u64, now.as_mut_ptr() as u64];
        assert_eq!(call(function("__vdso_clock_gettime"), args, false).cast_signed(), answer);
    }
    assert!(now[0] >= 0);
}

#[test]
fn offsets_are_added_and_floors_kept_unless_the_clock_was_set() {
    let area = area::Area::for_tests();
    area.fill(&kernel::KernelVdso::find(), false);
    assert_eq!(area.read(libc::CLOCK_MONOTONIC), None, "a peer that does not know home's clocks yet");
    let here = Readings::of_kernel();
    area.set_offsets(&Readings(here.0.map(|_| -1_500_000_000)));
    let told = area.readings();
    assert!(told.0.iter().zip(&here.0).all(|(told, here)| (0..500_000_000).contains(&(told + 1_500_000_000 - here))));
    area.catch_up(&here);
    assert!(area.readings().0.iter().zip(&here.0).all(|(told, here)| told >= here));
    let ahead = Readings(here.0.map(|time| time + 3_600_000_000_000));
    area.raise_floors(&ahead);
    for ((told, ahead), served) in area.readings().0.iter().zip(&ahead.0).zip(&time::SERVED) {
        assert_eq!(told == ahead, !served.wall, "clock {}", served.number);
    }
}

#[test]
fn the_page_adds_offsets_and_keeps_floors_as_the_runtime_does() {
    let _one = ONE_AT_A_TIME.lock().unwrap();
    page_time(libc::CLOCK_MONOTONIC);
    let second = 1_000_000_000;
    for offset in [0, 1, second - 1, second, -1, -second, -second - 1, 86_400 * second + 999_999_999] {
        AREA.set_offsets(&Readings([offset; 7]));
        let before = AREA.readings().monotonic();
        let now = page_time(libc::CLOCK_MONOTONIC);
        assert!((before..=AREA.readings().monotonic()).contains(&now), "offset {offset}");
    }
    AREA.set_offsets(&Readings([0; 7]));
    let floor = AREA.readings().monotonic() + 100_000_000;
    AREA.raise_floors(&Readings([floor; 7]));
    while AREA.readings().monotonic() <= floor {
        assert!(page_time(libc::CLOCK_MONOTONIC) >= floor);
    }
}

thread_local! {
    /// Steps until the one that is taken for a trap of the program's; how many came; what the frame looked like.
    static COUNTDOWN: Cell<usize> = const { Cell::new(0) };
}
static STEPS: AtomicUsize = AtomicUsize::new(0);
static INSIDE: AtomicUsize = AtomicUsize::new(0);
static WRONG: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn step(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel's own frame.
    let mut frame = Frame::new(unsafe { &mut *context.cast::<libc::ucontext_t>() });
    STEPS.fetch_add(1, Relaxed);
    COUNTDOWN.with(|left| left.set(left.get().wrapping_sub(1)));
    if COUNTDOWN.with(Cell::get) != 0 {
        return;
    }
    frame.set(libc::REG_EFL, frame.get(libc::REG_EFL) & !TRAP_FLAG);
    let before = (frame.rip(), frame.rsp());
    rewind(&mut frame);
    let inside = before != (frame.rip(), frame.rsp());
    INSIDE.fetch_add(usize::from(inside), Relaxed);
    let alone = AREA.slots.iter().all(|slot| slot.owner.load(Relaxed) == 0);
    let back = !inside || marks().claims.iter().any(|[again, ..]| frame.rip() == IMAGE + again);
    let on_own_stack = AREA.slot_of_stack(frame.rsp()).is_none();
    WRONG.fetch_add(usize::from(!(alone && back && on_own_stack)), Relaxed);
}

/// A trap after `steps` instructions, for all steps that there are.
fn trap_everywhere(name: &str, args: [u64; 2], check: impl Fn(u64) -> bool) {
    let at = function(name);
    let mut steps = 1;
    loop {
        STEPS.store(0, Relaxed);
        COUNTDOWN.with(|left| left.set(steps));
        let result = call(at, args, true);
        assert!(check(result), "{name}, a trap after {steps} instructions");
        assert_eq!(WRONG.load(Relaxed), 0, "{name}, a trap after {steps} instructions");
        if STEPS.load(Relaxed) < steps {
            break;
        }
        steps += 1;
    }
    assert!(steps > 40, "{name}: {steps} instructions");
}

#[test]
fn a_trap_at_any_instruction_finds_the_thread_outside_or_puts_it_back() {
    let _one = ONE_AT_A_TIME.lock().unwrap();
    let mut stack = vec![0_u8; 64 << 10];
    // SAFETY: the alternate stack lives as long as this function, and the handler is gone before.
    let before = unsafe {
        let alternate = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
        assert_eq!(libc::sigaltstack(&raw const alternate, std::ptr::null_mut()), 0);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = step as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        let mut before = std::mem::zeroed();
        assert_eq!(libc::sigaction(libc::SIGTRAP, &raw const action, &raw mut before), 0);
        before
    };
    let mut now = [0_i64; 2];
    let at = now.as_mut_ptr() as u64;
    let start = time::kernel_time(libc::CLOCK_MONOTONIC);
    trap_everywhere("__vdso_clock_gettime", [libc::CLOCK_MONOTONIC as u64, at], |result| {
        // SAFETY: the answer is in this function's own variable.
        let now = unsafe { (at as *const [i64; 2]).read_volatile() };
        let end = time::kernel_time(libc::CLOCK_MONOTONIC) + 1_000_000_000;
        result == 0 && (start..=end).contains(&(now[0] * 1_000_000_000 + now[1]))
    });
    trap_everywhere("__vdso_gettimeofday", [at, 0], |result| result == 0);
    trap_everywhere("__vdso_time", [0, 0], |seconds| seconds > 1_000_000_000);
    trap_everywhere("__vdso_getcpu", [at, at + 8], |result| result == 0);
    assert!(INSIDE.load(Relaxed) > 100);
    // SAFETY: as above.
    unsafe {
        libc::sigaction(libc::SIGTRAP, &raw const before, std::ptr::null_mut());
        let none = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        libc::sigaltstack(&raw const none, std::ptr::null_mut());
    }
}
