/* Limits and usage: what a child inherits, RLIMIT_NOFILE, RLIMIT_FSIZE, CPU time of children. */
#include "conformance.h"
#include <sys/resource.h>

static int child(void *with) {
    struct rlimit limit;
    (void)with;
    getrlimit(RLIMIT_NOFILE, &limit);
    for (volatile int i = 0; i < 30000000; i++)
        ;
    return limit.rlim_cur == 40 ? 4 : 1;
}

int main(void) {
    struct rlimit limit, fsize;
    struct rusage usage;
    YES(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 40;
    YES(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int last = -1, fd;
    while ((fd = dup(0)) >= 0)
        last = fd;
    YES(errno == EMFILE && last == 39);
    for (int i = 20; i < 40; i++)
        close(i);
    SHOW(ended(child_of(child, NULL)));
    YES(getrusage(RUSAGE_CHILDREN, &usage) == 0);
    /* Both kinds: the kernel parts them by where its ticks fall, and few fall into so short a time. */
    YES(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec > 1000 || usage.ru_utime.tv_sec + usage.ru_stime.tv_sec > 0);
    signal(SIGXFSZ, SIG_IGN);
    YES(getrlimit(RLIMIT_FSIZE, &fsize) == 0);
    fsize.rlim_cur = 1000;
    YES(setrlimit(RLIMIT_FSIZE, &fsize) == 0);
    char text[2000] = "";
    fd = scratch_file();
    YES(write(fd, text, 2000) == 1000 && FAILS(write(fd, text, 1), EFBIG));
    return failed;
}
