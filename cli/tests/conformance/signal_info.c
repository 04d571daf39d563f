/* What SA_SIGINFO tells: sender, code, value, and the address of a fault. */
#include "conformance.h"
#include <setjmp.h>

static siginfo_t got;
static sigjmp_buf out;
static void keep(int signal, siginfo_t *info, void *context) { (void)signal, (void)context; got = *info; }
static void leave(int signal, siginfo_t *info, void *context) {
    keep(signal, info, context);
    siglongjmp(out, 1);
}

static bool faults(volatile char *at, bool write) {
    if (sigsetjmp(out, 1))
        return true;
    if (write)
        *at = 1;
    else
        (void)*at;
    return false;
}

int main(void) {
    on_signal_info(SIGUSR1, keep, 0);
    kill(getpid(), SIGUSR1);
    YES(got.si_signo == SIGUSR1 && got.si_code == SI_USER && got.si_pid == getpid() && got.si_uid == getuid());
    memset(&got, 0, sizeof got);
    raise(SIGUSR1);
    YES(got.si_code == SI_TKILL && got.si_pid == getpid());
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711});
    YES(got.si_code == SI_QUEUE && got.si_value.sival_int == 4711);
    on_signal_info(SIGSEGV, leave, 0);
    char *page = anonymous(2 * PAGE);
    munmap(page + PAGE, PAGE);
    YES(faults(page + PAGE + 7, false) && got.si_code == SEGV_MAPERR && got.si_addr == page + PAGE + 7);
    mprotect(page, PAGE, PROT_READ);
    YES(faults(page + 9, true) && got.si_code == SEGV_ACCERR && got.si_addr == page + 9);
    mprotect(page, PAGE, PROT_NONE);
    YES(faults(page + 5, false) && got.si_code == SEGV_ACCERR && got.si_addr == page + 5);
    YES(faults((char *)(1ul << 63), false) && got.si_code == SI_KERNEL && got.si_addr == NULL);
    YES(faults(NULL, false) && got.si_code == SEGV_MAPERR && got.si_addr == NULL);
    return failed;
}
