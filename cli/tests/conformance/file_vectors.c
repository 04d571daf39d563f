/* readv, writev, preadv, pwritev with up to 1024 parts, some of them empty, larger than the budget together. */
#include "conformance.h"
#include <sys/uio.h>

#define PARTS 1024

int main(void) {
    char *memory = anonymous(24 * MIB);
    struct iovec *parts = malloc((PARTS + 1) * sizeof *parts);
    int fd = scratch_file();
    size_t each = 24 * MIB / PARTS;
    fill(memory, 24 * MIB, 1);
    for (size_t i = 0; i < PARTS; i++)
        parts[i] = (struct iovec){memory + i * each, each};
    size_t done = 0;
    while (done < 24 * MIB) {
        size_t first = done / each;
        CHECK(done % each == 0);
        ssize_t now = writev(fd, parts + first, (int)(PARTS - first));
        CHECK(now > 0);
        done += (size_t)now;
    }
    YES(done == 24 * MIB && lseek(fd, 0, SEEK_CUR) == (off_t)(24 * MIB));
    memset(memory, 0, 24 * MIB);
    YES(preadv(fd, parts, PARTS, 0) == (ssize_t)(24 * MIB));
    YES(spoilt(memory, 24 * MIB, 1) == 0);
    struct iovec odd[] = {{memory, 3}, {NULL, 0}, {memory + 5 * MIB - 1, 2}, {memory + 6 * MIB, 0}, {memory + 9 * MIB, 4}};
    memset(memory, 'p', 3), memset(memory + 5 * MIB - 1, 'q', 2), memset(memory + 9 * MIB, 'r', 4);
    char text[16] = "";
    YES(pwritev(fd, odd, 5, 1) == 9 && pread(fd, text, 9, 1) == 9);
    puts(text);
    YES(FAILS(writev(fd, parts, PARTS + 1), EINVAL));
    YES(FAILS(syscall(SYS_readv, fd, parts, -1l), EINVAL));
    odd[2].iov_base = (void *)8;
    YES(pwritev(fd, odd, 5, 1) == 3);
    odd[0].iov_len = (size_t)-1;
    YES(FAILS(pwritev(fd, odd, 5, 1), EINVAL));
    return failed;
}
