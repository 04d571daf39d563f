/* execve of itself: arguments and environment arrive, memory is new, handlers are gone, the process stays; errors of execve. */
#include "conformance.h"

static pid_t number(const char *name) { return (pid_t)atoi(getenv(name) ? getenv(name) : "0"); }
static void handler(int signal) { (void)signal; }

int main(int argc, char **argv) {
    if (argc == 1) {
        char pid[32], *words[] = {"another name", "one", "", "three words", NULL}, *env[] = {pid, "EMPTY=", "B=2", NULL};
        char *huge = malloc(200 * 1024);
        snprintf(pid, sizeof pid, "PID=%d", getpid());
        on_signal(SIGUSR1, handler, 0);
        signal(SIGUSR2, SIG_IGN);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGWINCH);
        sigprocmask(SIG_BLOCK, &set, NULL);
        fill(anonymous(24 * MIB), 24 * MIB, 1);
        YES(FAILS(execve("/nowhere/at/all", words, env), ENOENT));
        YES(FAILS(execve("/etc/passwd", words, env), EACCES));
        YES(FAILS(execve("/tmp", words, env), EACCES));
        YES(FAILS(syscall(SYS_execve, 1, words, env), EFAULT));
        memset(huge, 'x', 200 * 1024 - 1);
        huge[200 * 1024 - 1] = 0;
        words[1] = huge;
        YES(FAILS(execve("/proc/self/exe", words, env), E2BIG));
        words[1] = "one";
        execve("/proc/self/exe", words, env);
        return 1;
    }
    for (int i = 0; i < argc; i++)
        printf("[%s]\n", argv[i]);
    YES(number("PID") == getpid());
    YES(getenv("EMPTY") && !*getenv("EMPTY") && strcmp(getenv("B"), "2") == 0 && !getenv("PATH"));
    struct sigaction action;
    sigset_t set;
    YES(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    YES(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
    YES(sigprocmask(SIG_BLOCK, NULL, &set) == 0 && sigismember(&set, SIGWINCH));
    char *memory = anonymous(24 * MIB);
    fill(memory, 24 * MIB, 2);
    YES(spoilt(memory, 24 * MIB, 2) == 0);
    return failed;
}
