/* Three times the budget, at random: an array of words against its own arithmetic. */
#include "conformance.h"

#define WORDS (24 * MIB / 8)

int main(void) {
    uint64_t *words = anonymous(WORDS * 8), state = 1, wrong = 0;
    fill(words, WORDS * 8, 0);
    YES(spoilt(words, WORDS * 8, 0) == 0);
    for (int i = 0; i < 200000; i++)
        words[next_random(&state) % WORDS] += (uint64_t)i;
    state = 1;
    for (int i = 0; i < 200000; i++)
        words[next_random(&state) % WORDS] -= (uint64_t)i;
    wrong = spoilt(words, WORDS * 8, 0);
    YES(wrong == 0);
    char *copy = malloc(WORDS * 8);
    memcpy(copy, words, WORDS * 8);
    memmove(copy + 4096 * 3, copy, WORDS * 8 - 4096 * 3);
    YES(spoilt(copy + 4096 * 3, WORDS * 8 - 4096 * 3, 0) == 0);
    copy = realloc(copy, 2 * WORDS * 8);
    YES(spoilt(copy + 4096 * 3, WORDS * 8 - 4096 * 3, 0) == 0);
    free(copy);
    return failed;
}
