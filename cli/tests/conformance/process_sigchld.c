/* SIGCHLD tells the child and its status; ignored, children vanish; SA_NOCLDSTOP; it interrupts a sleep. */
#include "conformance.h"

static volatile sig_atomic_t seen, code, status, pid;
static void note(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    seen++;
    code = info->si_code;
    status = info->si_status;
    pid = info->si_pid;
}
static int after_a_while(void *with) { nap_ms(30); return (int)(uintptr_t)with; }
static int waits(void *with) {
    (void)with;
    while (true)
        pause();
    return 0;
}

int main(void) {
    on_signal_info(SIGCHLD, note, 0);
    pid_t child = child_of(after_a_while, (void *)6);
    struct timespec long_time = {10, 0};
    YES(FAILS(nanosleep(&long_time, NULL), EINTR));
    YES(seen == 1 && code == CLD_EXITED && status == 6 && pid == child);
    SHOW(ended(child));
    child = child_of(waits, NULL);
    kill(child, SIGSTOP);
    WAIT_FOR(seen == 2);
    YES(seen == 2 && code == CLD_STOPPED && status == SIGSTOP);
    kill(child, SIGCONT);
    WAIT_FOR(seen == 3);
    YES(seen == 3 && code == CLD_CONTINUED);
    on_signal_info(SIGCHLD, note, SA_NOCLDSTOP);
    kill(child, SIGSTOP);
    nap_ms(50);
    YES(seen == 3);
    kill(child, SIGKILL);
    SHOW(ended(child));
    WAIT_FOR(seen == 4);
    YES(seen == 4 && code == CLD_KILLED && status == SIGKILL);
    signal(SIGCHLD, SIG_IGN);
    child = child_of(after_a_while, (void *)1);
    YES(FAILS(waitpid(child, NULL, 0), ECHILD));
    YES(FAILS(kill(child, 0), ESRCH));
    return failed;
}
