/* A grandchild whose parent ends goes to the subreaper, and nobody else does; the signal of a parent's death; pidfd. */
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

/* More than the budget, in a process of its own, and in a program that it executes. */
static int big(void *with) {
    char *memory = anonymous(24 * MIB);
    (void)with;
    fill(memory, 24 * MIB, 3);
    nap_ms(50);
    return spoilt(memory, 24 * MIB, 3) == 0 ? 6 : 1;
}
static int executes(void *with) {
    (void)with;
    execl("/proc/self/exe", "process_orphan", "big", NULL);
    return 1;
}
static int of_two(void *with) { child_of(big, with); child_of(executes, with); return 0; }

int main(int argc, char **argv) {
    int status, ends[2];
    if (argc > 1)
        return big(argv[1]);
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
    SHOW(ended(child_of(of_two, NULL)));
    for (int i = 0; i < 2; i++)
        YES(waitpid(-1, &status, 0) > 0 && WEXITSTATUS(status) == 6);
    /* Nobody is left, now or in a moment. */
    for (int i = 0; i < 10; i++) {
        CHECK(waitpid(-1, &status, 0) == -1 && errno == ECHILD);
        nap_ms(10);
    }
    return failed;
}
