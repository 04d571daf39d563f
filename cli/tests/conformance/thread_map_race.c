/* Threads map, change and unmap while others work on their memory. */
#include "conformance.h"

static char *common;
static atomic_int done;
static atomic_ulong wrong;
static void *churn(void *with) {
    uint64_t state = (uint64_t)with;
    for (int i = 0; i < 400; i++) {
        size_t bytes = (1 + next_random(&state) % 64) * PAGE;
        char *at = anonymous(bytes);
        fill(at, bytes, state);
        CHECK(mprotect(at, bytes, PROT_READ) == 0);
        wrong += spoilt(at, bytes, state);
        if (i % 3 == 0) {
            at = mremap(at, bytes, bytes * 2, MREMAP_MAYMOVE);
            CHECK(at != MAP_FAILED);
            wrong += spoilt(at, bytes, state);
            bytes *= 2;
        }
        CHECK(munmap(at, bytes) == 0);
        free(malloc(next_random(&state) % (4 * MIB)));
    }
    return NULL;
}
static void *work(void *with) {
    size_t at = (size_t)with * 8 * MIB;
    while (!done) {
        fill(common + at, 8 * MIB, at);
        wrong += spoilt(common + at, 8 * MIB, at);
    }
    return NULL;
}

int main(void) {
    pthread_t thread[4];
    common = anonymous(16 * MIB);
    for (size_t i = 0; i < 4; i++)
        thread[i] = thread_of(i < 2 ? work : churn, (void *)i);
    joined(thread[2]);
    joined(thread[3]);
    done = 1;
    joined(thread[0]);
    joined(thread[1]);
    YES(wrong == 0);
    return failed;
}
