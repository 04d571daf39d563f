/* Barriers: all threads meet, one of them is the serial one, many times over. */
#include "conformance.h"

static pthread_barrier_t barrier;
static atomic_int inside, wrong, serial;
static void *work(void *with) {
    (void)with;
    for (int i = 0; i < 300; i++) {
        inside++;
        serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
        wrong += inside != 6 * (i + 1);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

int main(void) {
    pthread_t thread[6];
    pthread_barrier_init(&barrier, NULL, 6);
    for (int i = 0; i < 6; i++)
        thread[i] = thread_of(work, NULL);
    for (int i = 0; i < 6; i++)
        joined(thread[i]);
    SHOW(inside);
    SHOW(serial);
    YES(wrong == 0);
    return failed;
}
