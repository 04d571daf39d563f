/* fork: who is who, pending signals and timers do not pass on, handlers and mask do; output in order. */
#include "conformance.h"
#include <sys/time.h>

static pid_t parent;
static volatile sig_atomic_t seen;
static void count(int signal) { (void)signal; seen++; }
static int child(void *with) {
    sigset_t set;
    struct itimerval timer;
    (void)with;
    YES(getppid() == parent && getpid() != parent && getpid() == gettid());
    YES(sigpending(&set) == 0 && !sigismember(&set, SIGUSR1));
    YES(sigprocmask(SIG_BLOCK, NULL, &set) == 0 && sigismember(&set, SIGUSR1));
    YES(getitimer(ITIMER_REAL, &timer) == 0 && timer.it_value.tv_sec == 0 && alarm(0) == 0);
    raise(SIGUSR2);
    YES(seen == 1);
    YES(chdir("/") == 0);
    umask(077);
    return failed;
}

int main(void) {
    sigset_t block;
    char here[4096], after[4096];
    parent = getpid();
    umask(022);
    CHECK(getcwd(here, sizeof here));
    on_signal(SIGUSR1, count, 0);
    on_signal(SIGUSR2, count, 0);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    raise(SIGUSR1);
    alarm(1000);
    SHOW(ended(child_of(child, NULL)));
    YES(alarm(0) >= 990 && seen == 0);
    sigprocmask(SIG_UNBLOCK, &block, NULL);
    YES(seen == 1);
    YES(getcwd(after, sizeof after) && strcmp(here, after) == 0 && umask(0) == 022);
    return failed;
}
