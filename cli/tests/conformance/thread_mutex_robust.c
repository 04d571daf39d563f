/* A robust mutex whose owner ends: the next one is told, makes it consistent, or it stays unusable. */
#include "conformance.h"

static pthread_mutex_t mutex;
static void *take_and_end(void *with) { (void)with; return (void *)(intptr_t)pthread_mutex_lock(&mutex); }
static void *wait_for_it(void *with) { (void)with; return (void *)(intptr_t)pthread_mutex_lock(&mutex); }
static void *hold_a_while(void *with) {
    pthread_mutex_lock(&mutex);
    atomic_store((atomic_int *)with, 1);
    nap_ms(50);
    return NULL;
}

int main(void) {
    pthread_mutexattr_t attributes;
    atomic_int held = 0;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&mutex, &attributes);
    joined(thread_of(take_and_end, NULL));
    YES(pthread_mutex_lock(&mutex) == EOWNERDEAD);
    YES(pthread_mutex_consistent(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
    YES(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
    pthread_t holder = thread_of(hold_a_while, &held);
    WAIT_FOR(held);
    pthread_t waiter = thread_of(wait_for_it, NULL);
    joined(holder);
    YES((intptr_t)joined(waiter) == EOWNERDEAD);
    YES(pthread_mutex_lock(&mutex) == EOWNERDEAD && pthread_mutex_unlock(&mutex) == 0);
    YES(pthread_mutex_lock(&mutex) == ENOTRECOVERABLE);
    return failed;
}
