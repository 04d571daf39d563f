/* One hundred threads on one condition variable and one mutex, released by broadcast again and again. */
#include "conformance.h"

#define THREADS 100
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int round_now, waiting, sum;
static void *work(void *with) {
    (void)with;
    pthread_mutex_lock(&mutex);
    for (int round = 0; round < 20; round++) {
        waiting++;
        pthread_cond_broadcast(&changed);
        while (round_now == round)
            pthread_cond_wait(&changed, &mutex);
        sum += round;
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

int main(void) {
    static pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        thread[i] = thread_of(work, NULL);
    for (int round = 0; round < 20; round++) {
        pthread_mutex_lock(&mutex);
        while (waiting != THREADS)
            pthread_cond_wait(&changed, &mutex);
        waiting = 0;
        round_now++;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    for (int i = 0; i < THREADS; i++)
        joined(thread[i]);
    SHOW(sum);
    return failed;
}
