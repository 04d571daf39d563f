/* A pipeline of children: data through three of them, over buffers larger than a pipe and the budget. */
#include "conformance.h"

#define WORDS (24 * MIB / 8)
static int ends[3][2];
static void all_out(int fd, const char *at, size_t bytes) {
    while (bytes > 0) {
        ssize_t done = write(fd, at, bytes);
        CHECK(done > 0);
        at += done;
        bytes -= (size_t)done;
    }
}
static size_t all_in(int fd, char *at, size_t bytes) {
    size_t sum = 0;
    ssize_t done;
    while (sum < bytes && (done = read(fd, at + sum, bytes - sum)) > 0)
        sum += (size_t)done;
    return sum;
}
static int middle(void *with) {
    int me = (int)(uintptr_t)with;
    for (int i = 0; i < 3; i++) {
        if (i != me)
            close(ends[i][0]);
        if (i != me + 1)
            close(ends[i][1]);
    }
    uint64_t *words = anonymous(WORDS * 8);
    size_t got = all_in(ends[me][0], (char *)words, WORDS * 8);
    for (size_t i = 0; i < WORDS; i++)
        words[i] += 1;
    all_out(ends[me + 1][1], (char *)words, got);
    return got == WORDS * 8 ? 0 : 1;
}

int main(void) {
    for (int i = 0; i < 3; i++)
        CHECK(pipe(ends[i]) == 0);
    pid_t first = child_of(middle, (void *)0), second = child_of(middle, (void *)1);
    close(ends[0][0]), close(ends[1][0]), close(ends[1][1]), close(ends[2][1]);
    uint64_t *words = anonymous(WORDS * 8);
    fill(words, WORDS * 8, 1);
    all_out(ends[0][1], (char *)words, WORDS * 8);
    close(ends[0][1]);
    size_t got = all_in(ends[2][0], (char *)words, WORDS * 8);
    for (size_t i = 0; i < WORDS; i++)
        words[i] -= 2;
    YES(got == WORDS * 8 && spoilt(words, WORDS * 8, 1) == 0);
    char byte;
    YES(read(ends[2][0], &byte, 1) == 0);
    YES(ended(first) == 0 && ended(second) == 0);
    return failed;
}
