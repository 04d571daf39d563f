/* Timers interrupt a program that does little but read clocks, into memory beyond the budget; handlers read them too, and leave by siglongjmp. */
#include "conformance.h"
#include <setjmp.h>
#include <sys/time.h>

#define BYTES (16 * MIB)
static char *memory;
static sigjmp_buf out;
static volatile sig_atomic_t ticks, leave, outside;
static volatile int64_t latest;
static volatile long backwards, backwards_in_handlers;

static int64_t read_into(size_t at) {
    struct timespec *now = (struct timespec *)(memory + at % (BYTES - sizeof(struct timespec)));
    int64_t before = latest;
    CHECK(clock_gettime(CLOCK_MONOTONIC, now) == 0);
    int64_t told = now->tv_sec * 1000000000l + now->tv_nsec;
    backwards += told < before;
    return latest = told;
}

static void tick(int signal) {
    (void)signal;
    int64_t before = latest;
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    backwards_in_handlers += now.tv_sec * 1000000000l + now.tv_nsec < before;
    ticks++;
    if (leave && !outside)
        siglongjmp(out, 1);
}

static void storm(long microseconds) {
    struct timeval every = {0, microseconds};
    setitimer(ITIMER_REAL, &(struct itimerval){every, every}, NULL);
}

int main(void) {
    memory = anonymous(BYTES);
    on_signal(SIGALRM, tick, SA_RESTART);
    storm(200);
    for (size_t i = 0; ticks < 500 || i < 20000; i++)
        read_into(i % 64 == 0 ? i * 4096 - 8 : 64);
    YES(ticks >= 500);
    /* Handlers that never return: whatever was going on is not gone on with. */
    volatile int left = 0;
    volatile size_t reads = 0;
    outside = 1;
    if (sigsetjmp(out, 1) != 0)
        left++;
    outside = leave = 1;
    while (left < 300) {
        outside = 0;
        read_into(++reads % 64 == 0 ? reads * 4096 : 128);
        outside = 1;
        time_t told = time(NULL);
        CHECK(told > 1000000);
    }
    storm(0);
    YES(left == 300);
    SHOW(backwards);
    SHOW(backwards_in_handlers);
    return failed;
}
