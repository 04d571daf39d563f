/* Queued real-time signals: all arrive, lowest number first, in order within a number, each with its value. */
#include "conformance.h"

static int order[64], values[64];
static volatile int seen;
static void keep(int signal, siginfo_t *info, void *context) {
    (void)context;
    order[seen] = signal - SIGRTMIN;
    values[seen++] = info->si_value.sival_int;
}

int main(void) {
    sigset_t all, old;
    struct sigaction action = {.sa_sigaction = keep, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    for (int i = 1; i <= 3; i++)
        CHECK(sigaction(SIGRTMIN + i, &action, NULL) == 0);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    for (int i = 0; i < 18; i++)
        CHECK(sigqueue(getpid(), SIGRTMIN + 3 - i % 3, (union sigval){.sival_int = 100 + i}) == 0);
    YES(seen == 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
    SHOW(seen);
    for (int i = 0; i < seen; i++)
        printf("%d %d\n", order[i], values[i]);
    return failed;
}
