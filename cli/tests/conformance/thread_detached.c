/* Detached threads end on their own and their stacks go. */
#include "conformance.h"

static atomic_int finished;
static void *work(void *with) { finished += (int)(uintptr_t)with; return NULL; }

static int tasks(void) {
    char line[256];
    int count = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "Threads: %d", &count);
    if (file)
        fclose(file);
    return count;
}

int main(void) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int before = tasks();
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, &attributes, work, (void *)1) == 0);
    }
    pthread_detach(thread_of(work, (void *)1000));
    WAIT_FOR(finished == 1100);
    SHOW(finished);
    WAIT_FOR(tasks() == before);
    YES(tasks() == before);
    return failed;
}
