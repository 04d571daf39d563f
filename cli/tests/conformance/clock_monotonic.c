/* No clock goes backwards, wherever the program runs; clocks agree with each other. */
#include "conformance.h"

static int64_t read_clock(clockid_t clock) {
    struct timespec now;
    CHECK(clock_gettime(clock, &now) == 0);
    return now.tv_sec * 1000000000l + now.tv_nsec;
}

int main(void) {
    clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    int64_t last[5] = {0}, backwards = 0;
    char *memory = anonymous(24 * MIB);
    for (int i = 0; i < 2000; i++) {
        for (int j = 0; j < 5; j++) {
            int64_t now = read_clock(clocks[j]);
            backwards += now < last[j];
            last[j] = now;
        }
        if (i % 200 == 0)
            fill(memory, 24 * MIB, (uint64_t)i);
    }
    SHOW(backwards);
    int64_t before = read_clock(CLOCK_MONOTONIC), work = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    nap_ms(100);
    int64_t slept = read_clock(CLOCK_MONOTONIC) - before;
    YES(slept >= 100000000 && slept < 10000000000);
    YES(read_clock(CLOCK_PROCESS_CPUTIME_ID) - work < slept);
    YES(llabs(read_clock(CLOCK_REALTIME) / 1000000000 - time(NULL)) <= 1);
    struct timespec resolution;
    YES(clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && FAILS(clock_gettime(77, &resolution), EINVAL));
    return failed;
}
