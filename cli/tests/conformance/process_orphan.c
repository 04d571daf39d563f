/* A grandchild whose parent ends goes to the subreaper; the signal of a parent's death; pidfd. */
#include "conformance.h"
#include <poll.h>
#include <sys/prctl.h>

static int grandchild(void *with) { (void)with; nap_ms(50); return 5; }
static int child(void *with) { child_of(grandchild, with); return 0; }
static int dies_too(void *with) {
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    CHECK(write(((int *)with)[1], "r", 1) == 1);
    while (true)
        pause();
    return 0;
}
static int parent(void *with) {
    char byte;
    child_of(dies_too, with);
    return read(((int *)with)[0], &byte, 1) == 1 ? 0 : 1;
}

int main(void) {
    int status, ends[2];
    YES(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    SHOW(ended(child_of(child, NULL)));
    YES(waitpid(-1, &status, 0) > 0 && WEXITSTATUS(status) == 5);
    CHECK(pipe(ends) == 0);
    SHOW(ended(child_of(parent, ends)));
    YES(waitpid(-1, &status, 0) > 0 && WTERMSIG(status) == SIGUSR1);
    pid_t pid = child_of(grandchild, NULL);
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd one = {.fd = fd, .events = POLLIN};
    YES(fd >= 0 && poll(&one, 1, 10000) == 1);
    siginfo_t info;
    YES(waitid(P_PIDFD, (id_t)fd, &info, WEXITED) == 0 && info.si_status == 5);
    return failed;
}
