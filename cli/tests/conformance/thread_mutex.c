/* Mutexes: plain, recursive, error-checking, with a time limit, and one fought over by many threads. */
#include "conformance.h"

static pthread_mutex_t mutex;
static long counter, turns[8];

static void *fight(void *with) {
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        turns[(size_t)with]++;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}
static void *try_it(void *with) { return (void *)(intptr_t)pthread_mutex_trylock(with); }
static void *unlock_it(void *with) { return (void *)(intptr_t)pthread_mutex_unlock(with); }
static void *wait_for_it(void *with) {
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_nsec += 20000000;
    limit.tv_sec += limit.tv_nsec / 1000000000;
    limit.tv_nsec %= 1000000000;
    return (void *)(intptr_t)pthread_mutex_timedlock(with, &limit);
}
static void make(int type) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    pthread_mutex_init(&mutex, &attributes);
}
#define IN_THREAD(run) ((intptr_t)joined(thread_of(run, &mutex)))

int main(void) {
    pthread_t thread[8];
    make(PTHREAD_MUTEX_NORMAL);
    for (size_t i = 0; i < 8; i++)
        thread[i] = thread_of(fight, (void *)i);
    for (size_t i = 0; i < 8; i++)
        joined(thread[i]);
    YES(counter == 160000 && turns[0] == 20000 && turns[7] == 20000);
    pthread_mutex_lock(&mutex);
    YES(IN_THREAD(try_it) == EBUSY && IN_THREAD(wait_for_it) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    make(PTHREAD_MUTEX_RECURSIVE);
    YES(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_lock(&mutex) == 0 && IN_THREAD(try_it) == EBUSY);
    YES(IN_THREAD(unlock_it) == EPERM && pthread_mutex_unlock(&mutex) == 0 && IN_THREAD(try_it) == EBUSY);
    YES(pthread_mutex_unlock(&mutex) == 0 && IN_THREAD(try_it) == 0);
    make(PTHREAD_MUTEX_ERRORCHECK);
    YES(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_lock(&mutex) == EDEADLK && IN_THREAD(unlock_it) == EPERM);
    YES(pthread_mutex_unlock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == EPERM);
    pthread_spinlock_t spin;
    YES(pthread_spin_init(&spin, 0) == 0 && pthread_spin_lock(&spin) == 0 && pthread_spin_trylock(&spin) == EBUSY);
    return failed;
}
