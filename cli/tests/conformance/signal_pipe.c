/* A write to a pipe without readers: SIGPIPE, or EPIPE where it is ignored or caught. */
#include "conformance.h"
#include <sys/socket.h>

static volatile sig_atomic_t seen;
static void count(int signal) { (void)signal; seen++; }

int main(void) {
    int ends[2], pair[2];
    CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    close(ends[0]);
    close(pair[0]);
    signal(SIGPIPE, SIG_IGN);
    YES(FAILS(write(ends[1], "a", 1), EPIPE));
    on_signal(SIGPIPE, count, 0);
    YES(FAILS(write(ends[1], "a", 1), EPIPE) && seen == 1);
    YES(FAILS(send(pair[1], "a", 1, 0), EPIPE) && seen == 2);
    YES(FAILS(send(pair[1], "a", 1, MSG_NOSIGNAL), EPIPE) && seen == 2);
    signal(SIGPIPE, SIG_DFL);
    if (write(ends[1], "a", 1) == -1)
        puts("not reached");
    return failed;
}
