/* Statuses of children: exit codes, signals, stopped and continued, waitid, and nobody left. */
#include "conformance.h"

static int status_of(void *with) { return (int)(uintptr_t)with; }
static int dies(void *with) { raise((int)(uintptr_t)with); return 1; }
static int waits(void *with) {
    (void)with;
    while (true)
        pause();
    return 0;
}

int main(void) {
    int status;
    siginfo_t info;
    SHOW(ended(child_of(status_of, (void *)0)));
    SHOW(ended(child_of(status_of, (void *)255)));
    SHOW(ended(child_of(status_of, (void *)258)));
    SHOW(ended(child_of(dies, (void *)SIGTERM)));
    SHOW(ended(child_of(dies, (void *)SIGUSR1)));
    SHOW(ended(child_of(dies, (void *)SIGKILL)));
    pid_t child = child_of(waits, NULL);
    YES(waitpid(child, &status, WNOHANG) == 0);
    kill(child, SIGSTOP);
    YES(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    kill(child, SIGCONT);
    YES(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    kill(child, SIGINT);
    YES(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0 && info.si_code == CLD_KILLED && info.si_status == SIGINT);
    YES(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    YES(FAILS(waitpid(child, &status, 0), ECHILD));
    for (uintptr_t i = 0; i < 10; i++)
        child_of(status_of, (void *)i);
    int sum = 0, count = 0;
    while (wait4(-1, &status, 0, NULL) > 0) {
        sum += WEXITSTATUS(status);
        count++;
    }
    YES(errno == ECHILD && sum == 45 && count == 10);
    YES(FAILS(wait(NULL), ECHILD));
    return failed;
}
