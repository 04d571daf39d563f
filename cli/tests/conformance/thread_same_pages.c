/* Threads that touch the same pages at the same time: counters by atomic additions, on more pages than the budget. */
#include "conformance.h"

#define PAGES 6144ul
static _Atomic uint64_t *words;

static void *count(void *with) {
    uint64_t state = (uint64_t)with;
    for (int i = 0; i < 40000; i++)
        atomic_fetch_add(&words[next_random(&state) % PAGES * 512], 1);
    return NULL;
}
static void *read_all(void *with) {
    uint64_t sum = 0;
    (void)with;
    for (size_t i = 0; i < PAGES; i++)
        sum += words[i * 512];
    return (void *)sum;
}

int main(void) {
    pthread_t thread[4];
    words = anonymous(PAGES * PAGE);
    for (size_t i = 0; i < 4; i++)
        thread[i] = thread_of(count, (void *)(i + 1));
    for (size_t i = 0; i < 4; i++)
        joined(thread[i]);
    for (size_t i = 0; i < 4; i++)
        thread[i] = thread_of(read_all, NULL);
    for (size_t i = 0; i < 4; i++)
        SHOW(joined(thread[i]));
    return failed;
}
