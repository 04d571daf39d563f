/* POSIX timers: a signal with a value, overruns, absolute times, and timers that only count. */
#include "conformance.h"

static volatile sig_atomic_t seen, value, code, overrun;
static timer_t timer;
static void keep(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    seen++;
    value = info->si_value.sival_int;
    code = info->si_code;
    overrun += timer_getoverrun(timer);
}

int main(void) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value = {.sival_int = 31}};
    struct itimerspec left, times = {{0, 5000000}, {0, 5000000}}, stop = {{0, 0}, {0, 0}};
    on_signal_info(SIGRTMIN + 1, keep, 0);
    YES(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    YES(timer_settime(timer, 0, &times, NULL) == 0);
    WAIT_FOR(seen >= 5);
    YES(seen >= 5 && value == 31 && code == SI_TIMER);
    YES(timer_settime(timer, 0, &stop, NULL) == 0);
    sigset_t block;
    sigemptyset(&block);
    sigaddset(&block, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    seen = overrun = 0;
    timer_settime(timer, 0, &times, NULL);
    nap_ms(100);
    timer_settime(timer, 0, &stop, NULL);
    nap_ms(1);
    sigprocmask(SIG_UNBLOCK, &block, NULL);
    YES(seen <= 1);
    timer_settime(timer, 0, &(struct itimerspec){{0, 0}, {1000, 0}}, NULL);
    YES(timer_gettime(timer, &left) == 0 && left.it_value.tv_sec >= 998 && left.it_interval.tv_sec == 0);
    YES(timer_delete(timer) == 0 && FAILS(timer_delete(timer), EINVAL));
    event.sigev_notify = SIGEV_NONE;
    YES(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) == 0 && timer_delete(timer) == 0);
    YES(FAILS(timer_create(12345, &event, &timer), EINVAL));
    return failed;
}
