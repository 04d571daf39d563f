/* Blocked signals wait, standard ones merge, and the mask during a handler goes when it returns. */
#include "conformance.h"

static volatile sig_atomic_t seen;
static sigset_t during;
static void count(int signal) { (void)signal; seen++; sigprocmask(SIG_SETMASK, NULL, &during); }

int main(void) {
    sigset_t block, old, pending;
    struct sigaction action = {.sa_handler = count};
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, &old);
    for (int i = 0; i < 5; i++)
        raise(SIGUSR1);
    YES(seen == 0 && sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_UNBLOCK, &block, NULL);
    YES(seen == 1 && sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR1));
    YES(sigismember(&during, SIGUSR1) && sigismember(&during, SIGUSR2) && !sigismember(&during, SIGINT));
    sigprocmask(SIG_SETMASK, NULL, &during);
    YES(!sigismember(&during, SIGUSR1) && !sigismember(&during, SIGUSR2));
    sigfillset(&block);
    sigprocmask(SIG_SETMASK, &block, NULL);
    sigprocmask(SIG_SETMASK, &old, &block);
    YES(!sigismember(&block, SIGKILL) && !sigismember(&block, SIGSTOP) && sigismember(&block, SIGSEGV));
    sigprocmask(SIG_BLOCK, &action.sa_mask, NULL);
    raise(SIGUSR2);
    signal(SIGUSR2, SIG_IGN);
    YES(sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR2));
    YES(FAILS(sigprocmask(77, &block, NULL), EINVAL));
    return failed;
}
