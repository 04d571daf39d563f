/* Signals between parent and child, both ways, with values, and to a child that computes in paged memory. */
#include "conformance.h"

static volatile sig_atomic_t got, done;
static void keep(int signal, siginfo_t *info, void *context) { (void)signal, (void)context; got = info->si_value.sival_int; }
static void end(int signal) { (void)signal; done = 1; }
static int child(void *with) {
    char *memory = anonymous(24 * MIB);
    size_t wrong = 0;
    (void)with;
    while (!done) {
        fill(memory, 24 * MIB, 5);
        wrong += spoilt(memory, 24 * MIB, 5);
    }
    sigqueue(getppid(), SIGUSR1, (union sigval){.sival_int = 321});
    return wrong == 0 ? 2 : 1;
}

int main(void) {
    on_signal_info(SIGUSR1, keep, 0);
    on_signal(SIGUSR2, end, 0);
    pid_t pid = child_of(child, NULL);
    nap_ms(200);
    kill(pid, SIGUSR2);
    WAIT_FOR(got == 321);
    SHOW(got);
    SHOW(ended(pid));
    done = 0;
    pid = child_of(child, NULL);
    nap_ms(100);
    kill(pid, SIGKILL);
    SHOW(ended(pid));
    return failed;
}
