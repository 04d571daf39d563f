/* A bare clone(2) thread: it shares memory and files, and the kernel clears its id and wakes the one that waits. */
#include "conformance.h"
#include <linux/futex.h>

static volatile int parent_tid, seen;
static _Atomic int child_tid;
static int run(void *with) {
    seen = *(int *)with + 1;
    int fd = dup(1);
    *(int *)with = fd;
    syscall(SYS_exit, 0);
    return 0;
}

int main(void) {
    char *stack = anonymous(64 * PAGE);
    int word = 41;
    child_tid = -1;
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID |
                CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID;
    int tid = clone(run, stack + 64 * PAGE, flags, &word, &parent_tid, NULL, &child_tid);
    YES(tid > 0);
    if (tid <= 0)
        return 1;
    int now;
    while ((now = child_tid) != 0)
        syscall(SYS_futex, &child_tid, FUTEX_WAIT, now, NULL, NULL, 0);
    YES(parent_tid == tid && seen == 42);
    YES(word > 2 && fcntl(word, F_GETFD) == 0);
    YES(syscall(SYS_set_tid_address, &child_tid) == gettid());
    YES(FAILS(clone(run, stack + 64 * PAGE, CLONE_THREAD, &word), EINVAL));
    return failed;
}
