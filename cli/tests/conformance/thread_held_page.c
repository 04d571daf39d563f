/* A thread sleeps in a read; what else lies on the pages that the kernel will write to is changed by others meanwhile. */
#include "conformance.h"

#define ROUNDS 5
#define PAGES 3

static int there[2], back[2];
static char *page, *memory;
static size_t short_reads;

static void *reader(void *with) {
    (void)with;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        /* From the middle of the first page to the middle of the last. */
        short_reads += read(there[0], page + 2048, (PAGES - 1) * 4096) < 8;
        CHECK(write(back[1], page + 2048, 8) == 8);
    }
    return NULL;
}

int main(void) {
    size_t wrong = 0;
    page = anonymous(PAGES * 4096);
    memory = anonymous(10 * MIB);
    CHECK(pipe(there) == 0 && pipe(back) == 0);
    pthread_t thread = thread_of(reader, NULL);
    uint64_t *beside = (uint64_t *)page, *behind = (uint64_t *)(page + PAGES * 4096 - 8);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 1; i <= 3; i++) {
            *beside = *behind = round * 8 + i;
            fill(memory, 10 * MIB, round * 8 + i);
            wrong += *beside != round * 8 + i || *behind != *beside;
            wrong += spoilt(memory, 10 * MIB, round * 8 + i);
        }
        uint64_t sent[4] = {round, round + 1, round + 2, round + 3}, seen = 0;
        CHECK(write(there[1], sent, sizeof sent) == sizeof sent && read(back[0], &seen, 8) == 8);
        wrong += seen != round || memcmp(page + 2048, sent, sizeof sent) != 0 || *beside != round * 8 + 3;
    }
    joined(thread);
    YES(wrong == 0 && short_reads == 0);
    return failed;
}
