/* The main thread ends with pthread_exit; the others go on, and the last one's end is the process's. */
#include "conformance.h"

static pthread_t first;
static void *work(void *with) {
    void *result;
    (void)with;
    YES(pthread_join(first, &result) == 0 && result == (void *)5);
    nap_ms(30);
    puts("still here");
    return NULL;
}
static void at_end(void) { puts("atexit"); }

int main(void) {
    atexit(at_end);
    first = pthread_self();
    thread_of(work, NULL);
    pthread_exit((void *)5);
}
