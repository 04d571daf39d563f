/* exit() while other threads compute, sleep and read: the process ends at once with status 0. */
#include "conformance.h"

static char *memory;
static atomic_int started;
static void *compute(void *with) {
    (void)with;
    started++;
    for (;;)
        fill(memory, 4 * MIB, 1);
    return NULL;
}
static void *sleeper(void *with) { (void)with; started++; sleep(1000); return NULL; }
static void *reader(void *with) {
    char byte;
    started++;
    CHECK(read(((int *)with)[0], &byte, 1) == 0);
    return NULL;
}

int main(void) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    memory = anonymous(24 * MIB);
    thread_of(compute, NULL);
    thread_of(compute, NULL);
    thread_of(sleeper, NULL);
    thread_of(reader, ends);
    fill(memory + 4 * MIB, 20 * MIB, 1);
    WAIT_FOR(started == 4);
    SHOW(started);
    return 0;
}
