/* Descriptors that send signals when data comes (O_ASYNC), with a chosen signal and the descriptor in it. */
#include "conformance.h"
#include <sys/socket.h>

static volatile sig_atomic_t seen, fd_seen, band;
static void note(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    seen++;
    fd_seen = info->si_fd;
    band = (int)info->si_band;
}

int main(void) {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    on_signal_info(SIGRTMIN + 4, note, 0);
    YES(fcntl(pair[0], F_SETOWN, getpid()) == 0 && fcntl(pair[0], F_GETOWN) == getpid());
    YES(fcntl(pair[0], F_SETSIG, SIGRTMIN + 4) == 0 && fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
    for (int i = 1; i <= 20; i++) {
        CHECK(write(pair[1], "x", 1) == 1);
        WAIT_FOR(seen >= i);
        char byte;
        CHECK(read(pair[0], &byte, 1) == 1);
    }
    YES(seen >= 20 && fd_seen == pair[0] && (band & 1));
    return failed;
}
