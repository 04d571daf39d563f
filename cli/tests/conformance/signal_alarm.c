/* alarm and setitimer: what is left, what interrupts, and the three kinds of clock. */
#include "conformance.h"
#include <sys/time.h>

static volatile sig_atomic_t alarms, profiles, virtuals;
static void count(int signal) {
    alarms += signal == SIGALRM;
    profiles += signal == SIGPROF;
    virtuals += signal == SIGVTALRM;
}

int main(void) {
    YES(alarm(100) == 0 && alarm(200) >= 99 && alarm(0) >= 199 && alarm(0) == 0);
    on_signal(SIGALRM, count, 0);
    on_signal(SIGPROF, count, 0);
    on_signal(SIGVTALRM, count, 0);
    alarm(1);
    YES(FAILS(pause(), EINTR) && alarms == 1);
    struct itimerval left, fast = {{0, 10000}, {0, 10000}}, stop = {{0, 0}, {0, 0}};
    setitimer(ITIMER_PROF, &fast, NULL);
    setitimer(ITIMER_VIRTUAL, &fast, NULL);
    long deadline = now_ms() + 10000;
    volatile unsigned work = 0;
    while ((profiles < 3 || virtuals < 3) && (++work % 1000 != 0 || now_ms() < deadline))
        ;
    YES(profiles >= 3 && virtuals >= 3);
    setitimer(ITIMER_PROF, &stop, NULL);
    setitimer(ITIMER_VIRTUAL, &stop, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){{7, 0}, {500, 0}}, NULL);
    YES(getitimer(ITIMER_REAL, &left) == 0 && left.it_value.tv_sec >= 498 && left.it_interval.tv_sec == 7);
    YES(ualarm(0, 0) > 400000000u);
    return failed;
}
