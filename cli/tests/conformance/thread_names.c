/* Names of threads, set from within and from outside, and as the kernel shows them. */
#include "conformance.h"
#include <sys/prctl.h>

static pthread_barrier_t barrier;
static void *work(void *with) {
    char text[32] = "", path[64];
    (void)with;
    CHECK(pthread_setname_np(pthread_self(), "first name") == 0);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    prctl(PR_GET_NAME, text);
    bool named = strcmp(text, "second name") == 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", gettid());
    FILE *file = fopen(path, "r");
    named = named && file && fgets(text, sizeof text, file) && strcmp(text, "second name\n") == 0;
    return (void *)(uintptr_t)named;
}

int main(void) {
    char text[32] = "";
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_t thread = thread_of(work, NULL);
    pthread_barrier_wait(&barrier);
    YES(pthread_getname_np(thread, text, sizeof text) == 0 && strcmp(text, "first name") == 0);
    YES(pthread_setname_np(thread, "second name") == 0);
    YES(pthread_setname_np(thread, "a name that is too long") == ERANGE);
    pthread_barrier_wait(&barrier);
    YES(joined(thread) != NULL);
    YES(pthread_getname_np(pthread_self(), text, sizeof text) == 0 && strncmp(text, "thread_names", 12) == 0);
    return failed;
}
