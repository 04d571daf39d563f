/* A process reads and writes its own paged memory through the kernel: /proc/self/mem, process_vm_readv, pipes. */
#include "conformance.h"
#include <sys/uio.h>

#define BYTES (24 * MIB)

int main(void) {
    char *at = anonymous(BYTES), *copy = malloc(MIB);
    fill(at, BYTES, 2);
    size_t wrong = 0, short_ones = 0;
    for (size_t i = 0; i < BYTES; i += MIB) {
        struct iovec to = {copy, MIB}, from = {at + i, MIB};
        short_ones += process_vm_readv(getpid(), &to, 1, &from, 1, 0) != (ssize_t)MIB;
        wrong += spoilt(copy, MIB, 2 + i / 8);
    }
    YES(wrong == 0 && short_ones == 0);
    fill(copy, MIB, 9);
    struct iovec mine = {copy, MIB}, there = {at + 3 * MIB, MIB};
    YES(process_vm_writev(getpid(), &mine, 1, &there, 1, 0) == (ssize_t)MIB && spoilt(at + 3 * MIB, MIB, 9) == 0);
    int fd = open("/proc/self/mem", O_RDWR);
    YES(fd >= 0);
    wrong = 0;
    for (size_t i = 4 * MIB; i < BYTES; i += MIB) {
        short_ones += pread(fd, copy, MIB, (off_t)(at + i)) != (ssize_t)MIB;
        wrong += spoilt(copy, MIB, 2 + i / 8);
    }
    YES(wrong == 0 && short_ones == 0);
    uint64_t word = 4711;
    YES(pwrite(fd, &word, 8, (off_t)(at + 5 * MIB)) == 8 && *(uint64_t *)(at + 5 * MIB) == 4711);
    static const char constant[2 * PAGE] = "constant";
    char *fresh = anonymous(MIB), first[8] = "";
    YES(lseek(fd, (off_t)fresh, SEEK_SET) == (off_t)fresh && read(fd, copy, 64) == 64 && copy[63] == 0);
    YES(lseek(fd, 0, SEEK_CUR) == (off_t)(fresh + 64) && write(fd, "next", 4) == 4 && memcmp(fresh + 64, "next", 4) == 0);
    YES(pread(fd, first, 8, (off_t)constant) == 8 && memcmp(first, "constant", 8) == 0);
    struct iovec parts[2] = {{copy, 10}, {copy + 20, 4 * MIB}};
    fill(at, 4 * MIB, 3);
    at[MIB] = 1;
    parts[1].iov_base = at + 8 * MIB;
    YES(preadv(fd, parts, 2, (off_t)at) == (ssize_t)(4 * MIB + 10) && memcmp(at + 8 * MIB, at + 10, 4 * MIB - 10) == 0);
    YES(pread(fd, copy, 8, (off_t)PAGE) == -1 && errno == EIO);
    YES(pread(fd, (void *)PAGE, 8, (off_t)at) == -1 && errno == EFAULT);
    munmap(fresh + PAGE, PAGE);
    YES(pread(fd, copy, 2 * PAGE, (off_t)fresh) == (ssize_t)PAGE);
    YES(process_vm_readv(getpid(), &mine, 1, &(struct iovec){(void *)PAGE, 10}, 1, 0) == -1 && errno == EFAULT);
    return failed;
}
