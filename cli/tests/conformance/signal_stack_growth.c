/* Deep recursion grows the stack page by page while a timer's handlers run on top of it. */
#include "conformance.h"
#include <sys/time.h>

static volatile sig_atomic_t ticks;
static void tick(int signal) { (void)signal; ticks++; }

__attribute__((noinline)) static uint64_t deeper(unsigned depth, uint64_t seed) {
    volatile uint64_t frame[500];
    for (int i = 0; i < 500; i += 50)
        frame[i] = seed + (uint64_t)i;
    uint64_t below = depth == 0 ? 0 : deeper(depth - 1, seed * 3 + 1);
    for (int i = 0; i < 500; i += 50)
        below += frame[i] == seed + (uint64_t)i ? 0 : 1000000;
    return below + 1;
}

int main(void) {
    on_signal(SIGALRM, tick, 0);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
    uint64_t sum = 0;
    int rounds = 0;
    while (ticks < 30 && rounds++ < 10000)
        sum = deeper(1500, 42);
    SHOW(sum);
    YES(ticks >= 30);
    return failed;
}
