/* Stacks: of a chosen size and place, with a guard page, deep use in several threads at once, and freed when threads end. */
#include "conformance.h"

__attribute__((noinline)) static uint64_t deeper(unsigned depth, uint64_t seed) {
    volatile uint64_t frame[500];
    frame[0] = frame[250] = frame[499] = seed;
    uint64_t below = depth == 0 ? 0 : deeper(depth - 1, seed * 3 + 1);
    return below + 1 + (frame[0] == seed && frame[250] == seed && frame[499] == seed ? 0 : 1000000);
}
static void *dig(void *with) { return (void *)deeper(1200, (uint64_t)with); }
static void *inside(void *with) {
    char here;
    return (void *)(uintptr_t)(&here > (char *)with && &here < (char *)with + 16 * PAGE);
}
static void *nothing(void *with) { return with; }

static long size_kib(void) {
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "VmSize: %ld", &kib);
    fclose(file);
    return kib;
}

int main(void) {
    pthread_t thread[4];
    pthread_attr_t attributes;
    for (size_t i = 0; i < 4; i++)
        thread[i] = thread_of(dig, (void *)(i + 5));
    for (size_t i = 0; i < 4; i++)
        SHOW(joined(thread[i]));
    void *stack = anonymous(16 * PAGE);
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstack(&attributes, stack, 16 * PAGE) == 0);
    CHECK(pthread_create(&thread[0], &attributes, inside, stack) == 0);
    YES(joined(thread[0]) == (void *)1);
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstacksize(&attributes, 64 * MIB) == 0);
    long before = size_kib();
    for (int i = 0; i < 200; i++) {
        CHECK(pthread_create(&thread[0], &attributes, nothing, NULL) == 0);
        joined(thread[0]);
    }
    YES(size_kib() - before < 1024 * 1024);
    return failed;
}
