/* Two thousand short threads, some of them started by threads. */
#include "conformance.h"

static atomic_int count;
static void *leaf(void *with) { (void)with; count++; return NULL; }
static void *branch(void *with) {
    (void)with;
    for (int i = 0; i < 50; i++)
        joined(thread_of(leaf, NULL));
    return NULL;
}

int main(void) {
    pthread_t thread[4];
    for (int i = 0; i < 1000; i++)
        joined(thread_of(leaf, NULL));
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 4; i++)
            thread[i] = thread_of(branch, NULL);
        for (int i = 0; i < 4; i++)
            joined(thread[i]);
    }
    SHOW(count);
    return failed;
}
