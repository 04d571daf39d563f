/* Threads and their children read clocks at the same time: what one has told is never ahead of what the next one tells. */
#include "conformance.h"
#include <sys/time.h>

static _Atomic int64_t latest;
static _Atomic long backwards;
static _Atomic bool enough;

static int64_t now(void) {
    struct timespec time;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return time.tv_sec * 1000000000l + time.tv_nsec;
}

static void tell(void) {
    int64_t before = latest, told = now();
    backwards += told < before;
    while (before < told && !atomic_compare_exchange_weak(&latest, &before, told))
        ;
}

static void *reader(void *seed) {
    char *memory = anonymous(3 * MIB);
    for (long i = 0; !enough || i < 3000; i++) {
        tell();
        if (i % 16 == 0)
            memory[(uintptr_t)(i + (long)seed) * 4096 % (3 * MIB)]++;
        struct timeval day;
        CHECK(gettimeofday(&day, NULL) == 0 && day.tv_usec >= 0 && day.tv_usec < 1000000 && time(NULL) >= day.tv_sec - 1);
    }
    return NULL;
}

static int in_child(void *unused) {
    (void)unused;
    pthread_t threads[4];
    for (long i = 0; i < 4; i++)
        threads[i] = thread_of(reader, (void *)i);
    enough = true;
    for (int i = 0; i < 4; i++)
        joined(threads[i]);
    return backwards != 0;
}

int main(void) {
    latest = now();
    pthread_t threads[6];
    for (long i = 0; i < 6; i++)
        threads[i] = thread_of(reader, (void *)(i * 7));
    int well = 0;
    for (int i = 0; i < 5; i++)
        well += ended(child_of(in_child, NULL)) == 0;
    enough = true;
    for (int i = 0; i < 6; i++)
        joined(threads[i]);
    SHOW(well);
    SHOW(backwards);
    return failed;
}
