/* dup, dup2, dup3, fcntl, close_range, pipes with sizes and non-blocking ends, /proc/self/fd, a named pipe. */
#include "conformance.h"
#include <linux/close_range.h>
#include <sys/ioctl.h>

int main(void) {
    int ends[2];
    char *buffer = malloc(200000), name[64];
    YES(pipe2(ends, O_NONBLOCK) == 0 && FAILS(read(ends[0], buffer, 1), EAGAIN));
    ssize_t sum = 0, done;
    memset(buffer, 'x', 200000);
    while ((done = write(ends[1], buffer, 4096)) > 0)
        sum += done;
    YES(errno == EAGAIN);
    SHOW(sum);
    int waiting;
    YES(ioctl(ends[0], FIONREAD, &waiting) == 0 && waiting == sum && fcntl(ends[1], F_GETPIPE_SZ) == sum);
    YES(fcntl(ends[1], F_SETPIPE_SZ, 1 << 17) == 1 << 17 && write(ends[1], buffer, 4096) == 4096);
    YES(dup2(ends[0], 100) == 100 && fcntl(100, F_GETFL) == (O_RDONLY | O_NONBLOCK));
    YES(dup3(ends[0], 101, O_CLOEXEC) == 101 && fcntl(101, F_GETFD) == FD_CLOEXEC && fcntl(100, F_GETFD) == 0);
    YES(FAILS(dup3(5, 5, 0), EINVAL) && FAILS(dup2(999, 5), EBADF) && FAILS(dup(-1), EBADF));
    YES(fcntl(100, F_SETFL, 0) == 0 && fcntl(ends[0], F_GETFL) == O_RDONLY);
    YES(close_range(100, 101, 0) == 0 && FAILS(close(100), EBADF) && FAILS(close(101), EBADF));
    YES(syscall(SYS_close_range, 90, 200, CLOSE_RANGE_CLOEXEC) == 0);
    int fd = scratch_file();
    CHECK(write(fd, "seen", 4) == 4);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int again = open(name, O_RDONLY);
    YES(again >= 0 && again != fd && read(again, buffer, 10) == 4 && memcmp(buffer, "seen", 4) == 0);
    snprintf(name, sizeof name, "/tmp/conformance-fifo-%d", getpid());
    YES(mkfifo(name, 0600) == 0 && FAILS(open(name, O_WRONLY | O_NONBLOCK), ENXIO));
    int in = open(name, O_RDONLY | O_NONBLOCK), out = open(name, O_WRONLY);
    YES(in >= 0 && out >= 0 && write(out, "fifo", 4) == 4 && read(in, buffer, 10) == 4 && unlink(name) == 0);
    return failed;
}
