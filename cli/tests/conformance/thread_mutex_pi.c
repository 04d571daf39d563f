/* Mutexes with priority inheritance: fought over, with a time limit, with errors. */
#include "conformance.h"

static pthread_mutex_t mutex;
static long counter;
static void *fight(void *with) {
    (void)with;
    for (int i = 0; i < 5000; i++) {
        CHECK(pthread_mutex_lock(&mutex) == 0);
        counter++;
        CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    return NULL;
}
static void *wait_for_it(void *with) {
    struct timespec limit;
    (void)with;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += limit.tv_nsec >= 970000000;
    limit.tv_nsec = (limit.tv_nsec + 30000000) % 1000000000;
    return (void *)(intptr_t)pthread_mutex_timedlock(&mutex, &limit);
}

int main(void) {
    pthread_t thread[4];
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    YES(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT) == 0);
    YES(pthread_mutex_init(&mutex, &attributes) == 0);
    for (int i = 0; i < 4; i++)
        thread[i] = thread_of(fight, NULL);
    for (int i = 0; i < 4; i++)
        joined(thread[i]);
    SHOW(counter);
    YES(pthread_mutex_lock(&mutex) == 0);
    YES((intptr_t)joined(thread_of(wait_for_it, NULL)) == ETIMEDOUT);
    YES(pthread_mutex_unlock(&mutex) == 0);
    return failed;
}
