/* The signals that the C library keeps for itself (32 and 33, for cancellation and setuid), by bare system calls. */
#include "conformance.h"

struct kernel_action {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};
void back(void);
asm("back: mov $15, %eax\n syscall");

static volatile sig_atomic_t seen[2];
static void note(int signal) { seen[signal - 32]++; }

int main(void) {
    for (int signal = 32; signal <= 33; signal++) {
        struct kernel_action action = {note, 0x04000000 | SA_RESTART, back, 0}, old;
        YES(syscall(SYS_rt_sigaction, signal, &action, NULL, 8) == 0);
        YES(syscall(SYS_rt_sigaction, signal, NULL, &old, 8) == 0 && old.handler == note);
        YES(syscall(SYS_tgkill, getpid(), gettid(), signal) == 0 && seen[signal - 32] == 1);
        unsigned long set = 1ul << (signal - 1);
        YES(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 8) == 0);
        YES(kill(getpid(), signal) == 0 && seen[signal - 32] == 1);
        YES(syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &set, NULL, 8) == 0 && seen[signal - 32] == 2);
    }
    return failed;
}
