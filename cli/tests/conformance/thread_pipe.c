/* Threads that block in reads, sleeps and polls do not hold up the one that works for them. */
#include "conformance.h"
#include <poll.h>

static int there[2], back[2];
static void *echo(void *with) {
    uint64_t word;
    (void)with;
    while (read(there[0], &word, 8) == 8) {
        word *= 3;
        CHECK(write(back[1], &word, 8) == 8);
    }
    return NULL;
}
static void *poller(void *with) {
    struct pollfd one = {.fd = *(int *)with, .events = POLLIN};
    return (void *)(intptr_t)poll(&one, 1, 100000);
}

int main(void) {
    int quiet[2];
    CHECK(pipe(there) == 0 && pipe(back) == 0 && pipe(quiet) == 0);
    pthread_t thread = thread_of(echo, NULL), other = thread_of(poller, &quiet[0]);
    uint64_t wrong = 0, word;
    char *memory = anonymous(24 * MIB);
    for (uint64_t i = 0; i < 2000; i++) {
        word = i;
        CHECK(write(there[1], &word, 8) == 8 && read(back[0], &word, 8) == 8);
        wrong += word != 3 * i;
        if (i % 100 == 0)
            fill(memory, 24 * MIB, i);
    }
    YES(wrong == 0 && spoilt(memory, 24 * MIB, 1900) == 0);
    close(there[1]);
    joined(thread);
    CHECK(write(quiet[1], "x", 1) == 1);
    YES((intptr_t)joined(other) == 1);
    return failed;
}
