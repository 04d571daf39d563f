/* Many blocks of all sizes, grown and freed at random, each with its own pattern. */
#include "conformance.h"
#include <malloc.h>

#define BLOCKS 2000

int main(void) {
    static uint64_t *block[BLOCKS];
    static size_t size[BLOCKS];
    uint64_t state = 7, wrong = 0;
    for (int i = 0; i < 20000; i++) {
        size_t at = next_random(&state) % BLOCKS, bytes = 8 * (1 + next_random(&state) % (next_random(&state) % 50 ? 1000 : 40000));
        switch (next_random(&state) % 3) {
        case 0:
            wrong += block[at] && spoilt(block[at], size[at], at);
            free(block[at]);
            block[at] = NULL;
            size[at] = 0;
            break;
        case 1:
            wrong += block[at] && spoilt(block[at], size[at], at);
            block[at] = realloc(block[at], bytes);
            size[at] = bytes;
            fill(block[at], bytes, at);
            break;
        default:
            wrong += block[at] && spoilt(block[at], size[at], at);
        }
        if (i % 5000 == 0)
            malloc_trim(0);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        wrong += block[i] && spoilt(block[i], size[i], i);
        free(block[i]);
    }
    YES(wrong == 0);
    char *aligned = aligned_alloc(2 * MIB, 4 * MIB);
    YES(aligned && (uintptr_t)aligned % (2 * MIB) == 0);
    memset(aligned, 1, 4 * MIB);
    YES(calloc(1 << 20, 4) && malloc(1ul << 62) == NULL);
    return failed;
}
