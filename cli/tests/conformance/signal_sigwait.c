/* sigwait, sigwaitinfo and sigtimedwait take blocked signals without a handler. */
#include "conformance.h"
#include <sys/time.h>

int main(void) {
    sigset_t set;
    siginfo_t info;
    int signal = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGALRM);
    sigaddset(&set, SIGRTMIN + 2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    YES(sigwait(&set, &signal) == 0 && signal == SIGUSR1);
    sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = 77});
    YES(sigwaitinfo(&set, &info) == SIGRTMIN + 2 && info.si_value.sival_int == 77 && info.si_code == SI_QUEUE);
    struct timespec none = {0, 0}, little = {0, 30000000}, long_time = {10, 0};
    YES(FAILS(sigtimedwait(&set, &info, &none), EAGAIN));
    long before = now_ms();
    YES(FAILS(sigtimedwait(&set, &info, &little), EAGAIN) && now_ms() - before >= 29);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 30000}}, NULL);
    YES(sigtimedwait(&set, &info, &long_time) == SIGALRM && info.si_code == SI_KERNEL);
    sigset_t pending;
    YES(sigpending(&pending) == 0 && sigisemptyset(&pending));
    return failed;
}
