/* A private file mapping: own changes stay own, the file's end within a page, offsets, larger than the budget. */
#include "conformance.h"

#define BYTES (24 * MIB)

int main(void) {
    int fd = scratch_file();
    char *buffer = malloc(MIB), byte;
    for (size_t i = 0; i < 24; i++) {
        fill(buffer, MIB, 1 + i * MIB / 8);
        CHECK(write(fd, buffer, MIB) == (ssize_t)MIB);
    }
    char *own = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    const char *seen = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
    YES(spoilt(own, BYTES, 1) == 0 && spoilt(seen, BYTES, 1) == 0);
    fill(own, BYTES, 2);
    YES(spoilt(own, BYTES, 2) == 0 && spoilt(seen, BYTES, 1) == 0);
    YES(pread(fd, &byte, 1, 100) == 1 && byte == seen[100]);
    CHECK(pwrite(fd, "abc", 3, BYTES) == 3);
    char *tail = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, BYTES);
    YES(memcmp(tail, "abc\0\0\0", 6) == 0 && tail[PAGE - 1] == 0);
    tail[1] = 'X';
    YES(pread(fd, &byte, 1, BYTES + 1) == 1 && byte == 'b');
    char *part = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 7 * PAGE);
    YES(spoilt(part, 2 * PAGE, 1 + 7 * PAGE / 8) == 0);
    YES(mprotect((void *)seen, PAGE, PROT_READ | PROT_WRITE) == 0);
    *(char *)seen ^= 1;
    YES(pread(fd, &byte, 1, 0) == 1 && byte == (char)(*seen ^ 1));
    return failed;
}
