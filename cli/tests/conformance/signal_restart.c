/* A blocking call that a handler interrupts: restarted with SA_RESTART, EINTR without, and some calls always EINTR. */
#include "conformance.h"
#include <poll.h>
#include <sys/time.h>

static int ends[2];
static volatile sig_atomic_t ticks;
static void tick(int signal) {
    (void)signal;
    if (++ticks % 3 == 0)
        CHECK(write(ends[1], "x", 1) == 1);
}

static void every_ms(long ms) {
    struct itimerval timer = {{0, ms * 1000}, {0, ms * 1000}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

int main(void) {
    char byte;
    CHECK(pipe(ends) == 0);
    on_signal(SIGALRM, tick, SA_RESTART);
    every_ms(20);
    YES(read(ends[0], &byte, 1) == 1 && byte == 'x' && ticks >= 3);
    every_ms(0);
    on_signal(SIGALRM, tick, 0);
    ticks = 0;
    every_ms(20);
    YES(FAILS(read(ends[0], &byte, 1), EINTR) && ticks >= 1);
    every_ms(0);
    on_signal(SIGALRM, tick, SA_RESTART);
    ticks = -1000000;
    every_ms(20);
    struct pollfd one = {.fd = ends[0], .events = POLLIN};
    YES(FAILS(poll(&one, 1, 5000), EINTR));
    struct timespec nap = {5, 0}, rest = {0, 0};
    YES(FAILS(nanosleep(&nap, &rest), EINTR) && rest.tv_sec == 4);
    YES(FAILS(pause(), EINTR));
    every_ms(0);
    return failed;
}
