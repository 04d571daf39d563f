/* A huge reservation of which little is touched, as garbage-collected languages make it. */
#include "conformance.h"

#define SPACE (64ul << 30)

int main(void) {
    char *at = mmap(NULL, SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    YES(at != MAP_FAILED);
    size_t wrong = 0;
    for (size_t i = 0; i < 256; i++) {
        char *arena = at + i * (SPACE / 256);
        CHECK(mprotect(arena, 64 * PAGE, PROT_READ | PROT_WRITE) == 0);
        fill(arena, 64 * PAGE, i);
    }
    for (size_t i = 0; i < 256; i++)
        wrong += spoilt(at + i * (SPACE / 256), 64 * PAGE, i);
    YES(wrong == 0);
    YES(madvise(at, SPACE, MADV_DONTNEED) == 0 && at[0] == 0);
    YES(mmap(at, SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == at);
    YES(munmap(at, SPACE) == 0);
    YES(mmap(NULL, 1ul << 50, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED && errno == ENOMEM);
    return failed;
}
