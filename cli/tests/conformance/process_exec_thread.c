/* execve by a thread that is not the first: the others end, the process keeps its id. */
#include "conformance.h"

static void *spin(void *with) { for (;;) *(volatile int *)with += 1; return NULL; }
static void *replace(void *with) {
    char pid[32], *words[] = {"again", "second", NULL}, *env[] = {pid, NULL};
    (void)with;
    snprintf(pid, sizeof pid, "PID=%d", getpid());
    execve("/proc/self/exe", words, env);
    return NULL;
}

int main(int argc, char **argv) {
    static int word;
    if (argc == 1) {
        thread_of(spin, &word);
        thread_of(spin, &word);
        joined(thread_of(replace, NULL));
        return 1;
    }
    YES(getpid() == gettid() && atoi(getenv("PID")) == getpid());
    printf("[%s]\n", argv[1]);
    return failed;
}
