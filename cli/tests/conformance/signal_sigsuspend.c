/* sigsuspend and ppoll swap the mask, wait, and bring the old mask back. */
#include "conformance.h"
#include <poll.h>
#include <sys/time.h>

static volatile sig_atomic_t seen;
static void count(int signal) { (void)signal; seen++; }

int main(void) {
    sigset_t block, none, now;
    sigemptyset(&block);
    sigemptyset(&none);
    sigaddset(&block, SIGUSR1);
    sigaddset(&block, SIGALRM);
    on_signal(SIGUSR1, count, 0);
    on_signal(SIGALRM, count, 0);
    sigprocmask(SIG_BLOCK, &block, NULL);
    raise(SIGUSR1);
    YES(seen == 0);
    YES(FAILS(sigsuspend(&none), EINTR) && seen == 1);
    sigprocmask(SIG_SETMASK, NULL, &now);
    YES(sigismember(&now, SIGUSR1) && sigismember(&now, SIGALRM));
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 30000}}, NULL);
    YES(FAILS(sigsuspend(&none), EINTR) && seen == 2);
    struct timespec limit = {5, 0};
    raise(SIGUSR1);
    YES(seen == 2);
    YES(FAILS(ppoll(NULL, 0, &limit, &none), EINTR) && seen == 3);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 30000}}, NULL);
    YES(FAILS(pselect(0, NULL, NULL, NULL, &limit, &none), EINTR) && seen == 4);
    sigprocmask(SIG_SETMASK, NULL, &now);
    YES(sigismember(&now, SIGUSR1) && sigismember(&now, SIGALRM));
    return failed;
}
