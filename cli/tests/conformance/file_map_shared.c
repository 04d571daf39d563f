/* A shared file mapping: writes reach the file and other mappings, msync, holes, read-only, after close. */
#include "conformance.h"

#define BYTES (24 * MIB)

int main(void) {
    int fd = scratch_file();
    CHECK(ftruncate(fd, BYTES) == 0);
    char *one = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *two = mmap(NULL, 12 * MIB, PROT_READ, MAP_SHARED, fd, 12 * MIB);
    char *buffer = malloc(MIB);
    fill(one, BYTES, 1);
    YES(spoilt(two, 12 * MIB, 1 + 12 * MIB / 8) == 0);
    size_t wrong = 0;
    for (size_t i = 0; i < 24; i++) {
        CHECK(pread(fd, buffer, MIB, (off_t)(i * MIB)) == (ssize_t)MIB);
        wrong += spoilt(buffer, MIB, 1 + i * MIB / 8);
    }
    YES(wrong == 0);
    fill(buffer, MIB, 9);
    YES(pwrite(fd, buffer, MIB, 5 * MIB) == (ssize_t)MIB && spoilt(one + 5 * MIB, MIB, 9) == 0);
    YES(msync(one, BYTES, MS_SYNC) == 0 && msync(one + MIB, MIB, MS_ASYNC | MS_INVALIDATE) == 0);
    YES(FAILS(msync(one + 1, PAGE, MS_SYNC), EINVAL));
    int again = open("/proc/self/exe", O_RDONLY);
    YES(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0) == MAP_FAILED && errno == EACCES);
    YES(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 5) == MAP_FAILED && errno == EINVAL);
    close(fd);
    one[7] = 'z';
    YES(munmap(one, 6 * MIB) == 0 && spoilt(two, 12 * MIB, 1 + 12 * MIB / 8) == 0);
    YES(madvise(two, 12 * MIB, MADV_DONTNEED) == 0 && spoilt(two, 12 * MIB, 1 + 12 * MIB / 8) == 0);
    return failed;
}
