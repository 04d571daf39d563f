/* Process groups and sessions; a signal to a group. */
#include "conformance.h"

static atomic_int *ready;
static int waits(void *with) {
    if (with)
        setpgid(0, 0);
    ++*ready;
    while (true)
        pause();
    return 0;
}
static int session(void *with) {
    (void)with;
    if (setsid() != getpid() || getsid(0) != getpid() || getpgrp() != getpid())
        return 1;
    return FAILS(setsid(), EPERM) && open("/dev/tty", O_RDWR) == -1 ? 0 : 2;
}

int main(void) {
    ready = shared(PAGE);
    SHOW(ended(child_of(session, NULL)));
    pid_t leader = child_of(waits, (void *)1);
    WAIT_FOR(*ready == 1);
    YES(getpgid(leader) == leader);
    pid_t other = child_of(waits, NULL);
    YES(setpgid(other, leader) == 0 && getpgid(other) == leader);
    WAIT_FOR(*ready == 2);
    YES(kill(-leader, SIGTERM) == 0);
    YES(ended(leader) == -SIGTERM && ended(other) == -SIGTERM);
    YES(FAILS(kill(-leader, 0), ESRCH));
    YES(FAILS(setpgid(0, 0x3fffffff), EPERM));
    return failed;
}
