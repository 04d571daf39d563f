/* Programs that close all descriptors that they do not know, as daemons do, go on working. */
#include "conformance.h"
#include <sys/resource.h>

int main(void) {
    char *memory = anonymous(24 * MIB);
    struct rlimit limit;
    fill(memory, 24 * MIB, 1);
    for (int fd = 3; fd < 4096; fd++)
        close(fd);
    YES(spoilt(memory, 24 * MIB, 1) == 0);
    YES(syscall(SYS_close_range, 3, ~0u, 0) == 0);
    fill(memory, 24 * MIB, 2);
    YES(spoilt(memory, 24 * MIB, 2) == 0);
    int fd = open("/dev/null", O_RDONLY);
    SHOW(fd);
    YES(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= 64);
    limit.rlim_cur = 16;
    YES(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while ((fd = dup(0)) >= 0)
        ;
    YES(errno == EMFILE);
    fill(memory, 24 * MIB, 3);
    YES(spoilt(memory, 24 * MIB, 3) == 0);
    YES(dup2(0, 15) == 15 && FAILS(dup2(0, 16), EBADF));
    return failed;
}
