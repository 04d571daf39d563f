/* A signalfd reports blocked signals with sender and value; poll sees it. */
#include "conformance.h"
#include <poll.h>
#include <sys/signalfd.h>

int main(void) {
    sigset_t set;
    struct signalfd_siginfo info[4];
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    YES(fd >= 0);
    YES(FAILS(read(fd, info, sizeof info), EAGAIN));
    struct pollfd one = {.fd = fd, .events = POLLIN};
    YES(poll(&one, 1, 0) == 0);
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 5});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 6});
    kill(getpid(), SIGUSR1);
    YES(poll(&one, 1, 1000) == 1 && one.revents == POLLIN);
    YES(read(fd, info, sizeof info) == 3 * (ssize_t)sizeof info[0]);
    YES(info[0].ssi_signo == SIGUSR1 && info[0].ssi_pid == (unsigned)getpid() && info[0].ssi_code == SI_USER);
    YES(info[1].ssi_signo == (unsigned)SIGRTMIN && info[1].ssi_int == 5 && info[2].ssi_int == 6);
    return failed;
}
