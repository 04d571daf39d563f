/* mremap of file mappings and of shared memory; an old length of 0 makes a second view of shared memory. */
#include "conformance.h"

int main(void) {
    int fd = scratch_file();
    char line[PAGE];
    for (int i = 0; i < 8; i++) {
        memset(line, 'a' + i, PAGE);
        CHECK(write(fd, line, PAGE) == (ssize_t)PAGE);
    }
    char *map = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    map = mremap(map, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    YES(map != MAP_FAILED && map[0] == 'a' && map[7 * PAGE] == 'h');
    char *own = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    own[PAGE] = 'X';
    own = mremap(own, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    YES(own != MAP_FAILED && own[PAGE] == 'X' && own[PAGE + 1] == 'b' && own[6 * PAGE] == 'g');
    own[5 * PAGE] = 'Y';
    YES(madvise(own, 8 * PAGE, MADV_DONTNEED) == 0 && own[PAGE] == 'b' && own[5 * PAGE] == 'f');
    own[5 * PAGE] = 'Z';
    own = mremap(own, 8 * PAGE, 10 * PAGE, MREMAP_MAYMOVE);
    YES(own != MAP_FAILED && own[0] == 'a' && own[5 * PAGE] == 'Z' && own[7 * PAGE] == 'h');
    CHECK(ftruncate(fd, 10 * PAGE) == 0);
    YES(own[9 * PAGE] == 0);
    own[9 * PAGE] = 'j';
    YES(own[9 * PAGE] == 'j' && pread(fd, line, 1, 9 * PAGE) == 1 && line[0] == 0);
    char *part = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 2 * PAGE), *place = anonymous(8 * PAGE);
    part[0] = 'P';
    munmap(part + 3 * PAGE, 3 * PAGE);
    part = mremap(part, 3 * PAGE, 5 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
    YES(part == place && part[0] == 'P' && part[PAGE] == 'd' && part[4 * PAGE] == 'g');
    char *first = shared(2 * PAGE);
    first[5] = 's';
    char *second = mremap(first, 0, 2 * PAGE, MREMAP_MAYMOVE);
    YES(second != MAP_FAILED && second != first && second[5] == 's');
    if (second != MAP_FAILED) {
        second[6] = 't';
        YES(first[6] == 't');
    }
    YES(FAILS(mremap(own, 0, PAGE, MREMAP_MAYMOVE), EINVAL));
    return failed;
}
