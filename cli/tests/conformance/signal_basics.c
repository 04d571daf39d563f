/* A handler runs before raise() and kill() return; ignored and default actions; one-shot handlers; the old action. */
#include "conformance.h"

static volatile sig_atomic_t seen, last;
static void count(int signal) { seen++; last = signal; }

int main(void) {
    struct sigaction old;
    on_signal(SIGUSR1, count, 0);
    YES(raise(SIGUSR1) == 0 && seen == 1 && last == SIGUSR1);
    YES(kill(getpid(), SIGUSR1) == 0 && seen == 2);
    YES(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == count);
    signal(SIGUSR1, SIG_IGN);
    YES(raise(SIGUSR1) == 0 && seen == 2);
    on_signal(SIGUSR2, count, SA_RESETHAND);
    YES(raise(SIGUSR2) == 0 && seen == 3 && last == SIGUSR2);
    YES(sigaction(SIGUSR2, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
    YES(raise(SIGURG) == 0 && raise(SIGCHLD) == 0 && raise(SIGWINCH) == 0);
    YES(FAILS(sigaction(SIGKILL, &(struct sigaction){.sa_handler = count}, NULL), EINVAL));
    YES(FAILS(sigaction(65, NULL, &old), EINVAL));
    YES(FAILS(kill(getpid(), 65), EINVAL));
    YES(kill(getpid(), 0) == 0);
    for (int i = 0; i < 1000; i++) {
        on_signal(SIGUSR1, count, 0);
        raise(SIGUSR1);
    }
    SHOW(seen);
    return failed;
}
