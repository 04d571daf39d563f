/* SIGSYS by kill is a signal like others, and unknown system calls answer ENOSYS. */
#include "conformance.h"

static volatile sig_atomic_t seen, code;
static void keep(int signal, siginfo_t *info, void *context) { (void)signal, (void)context; seen++; code = info->si_code; }

int main(void) {
    on_signal_info(SIGSYS, keep, 0);
    kill(getpid(), SIGSYS);
    YES(seen == 1 && code == SI_USER);
    raise(SIGSYS);
    YES(seen == 2 && code == SI_TKILL);
    YES(FAILS(syscall(9999), ENOSYS) && seen == 2);
    YES(FAILS(syscall(-1), ENOSYS) && seen == 2);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGSYS);
    YES(getppid() >= 0 && seen == 2);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    YES(seen == 3);
    signal(SIGSYS, SIG_IGN);
    YES(raise(SIGSYS) == 0 && getppid() >= 0 && seen == 3);
    signal(SIGSYS, SIG_DFL);
    raise(SIGSYS);
    return 0;
}
