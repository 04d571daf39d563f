/* Condition variables: a queue between producers and consumers, broadcast to many, and time limits on both clocks. */
#include "conformance.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER, all = PTHREAD_COND_INITIALIZER;
static int queue[10], length, waiting, released;
static long total;

static void *produce(void *with) {
    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&mutex);
        while (length == 10)
            pthread_cond_wait(&emptied, &mutex);
        queue[length++] = i * (int)(uintptr_t)with;
        pthread_cond_signal(&filled);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}
static void *consume(void *with) {
    (void)with;
    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&mutex);
        while (length == 0)
            pthread_cond_wait(&filled, &mutex);
        total += queue[--length];
        pthread_cond_signal(&emptied);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}
static void *wait_for_all(void *with) {
    (void)with;
    pthread_mutex_lock(&mutex);
    waiting++;
    while (!released)
        pthread_cond_wait(&all, &mutex);
    waiting--;
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static int wait_on(clockid_t clock) {
    pthread_cond_t condition;
    pthread_condattr_t attributes;
    struct timespec limit;
    pthread_condattr_init(&attributes);
    CHECK(pthread_condattr_setclock(&attributes, clock) == 0);
    pthread_cond_init(&condition, &attributes);
    clock_gettime(clock, &limit);
    limit.tv_sec += limit.tv_nsec >= 980000000;
    limit.tv_nsec = (limit.tv_nsec + 20000000) % 1000000000;
    pthread_mutex_lock(&mutex);
    int error = pthread_cond_timedwait(&condition, &mutex, &limit);
    pthread_mutex_unlock(&mutex);
    return error;
}

int main(void) {
    pthread_t thread[20];
    for (uintptr_t i = 0; i < 3; i++) {
        thread[2 * i] = thread_of(produce, (void *)(i + 1));
        thread[2 * i + 1] = thread_of(consume, NULL);
    }
    for (int i = 0; i < 6; i++)
        joined(thread[i]);
    SHOW(total);
    for (int i = 0; i < 20; i++)
        thread[i] = thread_of(wait_for_all, NULL);
    for (;;) {
        pthread_mutex_lock(&mutex);
        bool ready = waiting == 20;
        released = ready;
        if (ready)
            pthread_cond_broadcast(&all);
        pthread_mutex_unlock(&mutex);
        if (ready)
            break;
        nap_ms(1);
    }
    for (int i = 0; i < 20; i++)
        joined(thread[i]);
    SHOW(waiting);
    YES(wait_on(CLOCK_REALTIME) == ETIMEDOUT && wait_on(CLOCK_MONOTONIC) == ETIMEDOUT);
    return failed;
}
