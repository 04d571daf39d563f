/* Many threads at once; each gets its argument and its result comes back. */
#include "conformance.h"

static void *square(void *with) { return (void *)((uintptr_t)with * (uintptr_t)with); }

int main(void) {
    pthread_t thread[64];
    for (int round = 0; round < 3; round++) {
        uintptr_t sum = 0;
        for (uintptr_t i = 0; i < 64; i++)
            thread[i] = thread_of(square, (void *)i);
        for (int i = 0; i < 64; i++)
            sum += (uintptr_t)joined(thread[i]);
        SHOW(sum);
    }
    YES(pthread_join(pthread_self(), NULL) == EDEADLK);
    return failed;
}
