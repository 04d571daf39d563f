/* madvise: DONTNEED gives zeroes, or the file again; hints are accepted; bad ranges are refused. */
#include "conformance.h"

#define BYTES (24 * MIB)

int main(void) {
    char *at = anonymous(BYTES);
    fill(at, BYTES, 8);
    size_t wrong = 0, not_zero = 0;
    for (size_t i = 0; i < BYTES; i += 2 * MIB)
        CHECK(madvise(at + i, MIB, MADV_DONTNEED) == 0);
    for (size_t i = 0; i < BYTES; i += MIB)
        if (i % (2 * MIB) != 0)
            wrong += spoilt(at + i, MIB, 8 + i / 8);
        else
            for (size_t j = 0; j < MIB; j += 64)
                not_zero += at[i + j] != 0;
    YES(wrong == 0 && not_zero == 0);
    fill(at, MIB, 1);
    YES(spoilt(at, MIB, 1) == 0);
    int fd = scratch_file();
    char line[PAGE];
    memset(line, 'f', PAGE);
    CHECK(write(fd, line, PAGE) == (ssize_t)PAGE);
    char *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    map[10] = 'g';
    YES(map[10] == 'g' && madvise(map, PAGE, MADV_DONTNEED) == 0 && map[10] == 'f');
    YES(madvise(at, BYTES, MADV_WILLNEED) == 0 && madvise(at, BYTES, MADV_RANDOM) == 0);
    YES(madvise(at, BYTES, MADV_SEQUENTIAL) == 0 && madvise(at, BYTES, MADV_NORMAL) == 0);
    YES(madvise(at, BYTES, MADV_DONTDUMP) == 0 && madvise(at, BYTES, MADV_DODUMP) == 0);
    YES(madvise(at, BYTES, MADV_COLD) == 0 && madvise(at, BYTES, MADV_PAGEOUT) == 0);
    YES(FAILS(madvise(at + 1, PAGE, MADV_DONTNEED), EINVAL));
    YES(FAILS(madvise(at, PAGE, 12345), EINVAL));
    CHECK(munmap(at + 4 * PAGE, PAGE) == 0);
    fill(at, 4 * PAGE, 2);
    YES(FAILS(madvise(at + 3 * PAGE, 3 * PAGE, MADV_DONTNEED), ENOMEM) && at[3 * PAGE] == 0);
    fill(at, PAGE, 2);
    YES(madvise(at, PAGE, MADV_FREE) == 0);
    at[0] = 5;
    YES(at[0] == 5);
    return failed;
}
