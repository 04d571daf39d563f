/* Four threads fill three times the budget, then each verifies what another has written, and all sort of it is there. */
#include "conformance.h"

#define EACH (6 * MIB)
static char *memory;
static pthread_barrier_t barrier;

static void *work(void *with) {
    size_t me = (size_t)with, wrong = 0;
    for (size_t round = 0; round < 4; round++) {
        fill(memory + me * EACH, EACH, me * 1000 + round);
        pthread_barrier_wait(&barrier);
        size_t other = (me + round + 1) % 4;
        wrong += spoilt(memory + other * EACH, EACH, other * 1000 + round);
        pthread_barrier_wait(&barrier);
    }
    return (void *)wrong;
}

int main(void) {
    pthread_t thread[4];
    memory = anonymous(4 * EACH);
    pthread_barrier_init(&barrier, NULL, 4);
    for (size_t i = 0; i < 4; i++)
        thread[i] = thread_of(work, (void *)i);
    for (size_t i = 0; i < 4; i++)
        YES(joined(thread[i]) == NULL);
    return failed;
}
