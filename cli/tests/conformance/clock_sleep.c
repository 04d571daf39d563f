/* nanosleep and clock_nanosleep: relative, absolute, past, wrong arguments, what is left after a signal. */
#include "conformance.h"
#include <sys/time.h>

static void nothing(int signal) { (void)signal; }

int main(void) {
    struct timespec *nap = (struct timespec *)((char *)anonymous(2 * PAGE) + PAGE - 8), left;
    *nap = (struct timespec){0, 30000000};
    long before = now_ms();
    YES(nanosleep(nap, NULL) == 0 && now_ms() - before >= 29);
    before = now_ms();
    clock_gettime(CLOCK_MONOTONIC, nap);
    nap->tv_sec += nap->tv_nsec >= 950000000;
    nap->tv_nsec = (nap->tv_nsec + 50000000) % 1000000000;
    YES(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, nap, NULL) == 0 && now_ms() - before >= 49);
    YES(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, nap, NULL) == 0);
    nap->tv_nsec = 1000000000;
    YES(FAILS(nanosleep(nap, NULL), EINVAL) && clock_nanosleep(99, 0, nap, NULL) == EINVAL);
    on_signal(SIGALRM, nothing, 0);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 30000}}, NULL);
    *nap = (struct timespec){100, 0};
    YES(FAILS(nanosleep(nap, &left), EINTR) && left.tv_sec == 99);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 30000}}, NULL);
    YES(clock_nanosleep(CLOCK_REALTIME, 0, nap, &left) == EINTR && left.tv_sec == 99);
    YES(usleep(1000) == 0 && sleep(0) == 0);
    return failed;
}
