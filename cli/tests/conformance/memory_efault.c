/* Bad pointers give EFAULT, not a signal, in many calls; a range that is half good gives what was good. */
#include "conformance.h"
#include <dirent.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/utsname.h>

int main(void) {
    char *page = anonymous(2 * PAGE), *none = page + PAGE, buffer[64];
    int fd = scratch_file(), zero = open("/dev/zero", O_RDONLY), ends[2], pair[2];
    CHECK(munmap(none, PAGE) == 0 && pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    char *bad[] = {NULL, (char *)1, none, (char *)0x7ffffffff000, (char *)(1ul << 63), (char *)-4096l};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *at = bad[i];
        printf("pointer %zu\n", i);
        YES(FAILS(read(zero, at, 10), EFAULT));
        YES(FAILS(write(ends[1], at, 10), EFAULT));
        YES(FAILS(open(at, O_RDONLY), EFAULT));
        YES(FAILS(stat(at, (struct stat *)buffer), EFAULT));
        YES(FAILS(fstat(fd, (struct stat *)at), EFAULT));
        YES(FAILS(syscall(SYS_getcwd, at, 4096), EFAULT));
        YES(FAILS(uname((struct utsname *)at), EFAULT));
        YES(FAILS(syscall(SYS_pipe2, at, 0), EFAULT));
        YES(FAILS(syscall(SYS_nanosleep, at, NULL), EFAULT));
        YES(FAILS(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, at), EFAULT));
        YES(FAILS(syscall(SYS_getrandom, at, 16, 0), EFAULT));
        YES(FAILS(send(pair[0], at, 10, 0), EFAULT));
        YES(FAILS(syscall(SYS_poll, at, 1, 0), EFAULT));
        YES(FAILS(writev(ends[1], (struct iovec *)at, 1), EFAULT));
        YES(FAILS(syscall(SYS_readlink, "/proc/self/exe", at, 100), EFAULT));
        YES(FAILS(syscall(SYS_epoll_ctl, epoll_create1(0), EPOLL_CTL_ADD, ends[0], at), EFAULT));
        if (i > 0) {
            YES(FAILS(syscall(SYS_rt_sigaction, SIGUSR1, at, NULL, 8), EFAULT));
            YES(FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, at, NULL, 8), EFAULT));
            YES(FAILS(syscall(SYS_sigaltstack, at, NULL), EFAULT));
        }
    }
    memset(page, 'a', PAGE);
    YES(write(fd, none - 100, 300) == 100);
    YES(lseek(fd, 0, SEEK_SET) == 0 && read(fd, none - 40, 100) == 40);
    YES(read(zero, none - 40, 100) == 40 && none[-1] == 0 && none[-41] == 'a');
    return failed;
}
