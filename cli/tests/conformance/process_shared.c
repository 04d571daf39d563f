/* Shared anonymous memory between parent and children: written on both sides, with atomics, mutexes, conditions, semaphores. */
#include "conformance.h"
#include <semaphore.h>

struct common {
    atomic_long counter;
    long plain;
    pthread_mutex_t mutex;
    pthread_barrier_t barrier;
    sem_t there, back;
    uint64_t words[MIB];
};
static struct common *common;

static int child(void *with) {
    pthread_barrier_wait(&common->barrier);
    for (int i = 0; i < 10000; i++) {
        common->counter++;
        pthread_mutex_lock(&common->mutex);
        common->plain++;
        pthread_mutex_unlock(&common->mutex);
    }
    fill(common->words + (size_t)with * MIB / 4, 2 * MIB, (size_t)with);
    return 0;
}
static int partner(void *with) {
    (void)with;
    for (int i = 0; i < 500; i++) {
        sem_wait(&common->there);
        common->plain *= 2;
        sem_post(&common->back);
    }
    return 0;
}

int main(void) {
    pid_t children[4];
    pthread_mutexattr_t mutex;
    pthread_barrierattr_t barrier;
    common = shared(sizeof *common);
    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&common->mutex, &mutex);
    pthread_barrierattr_init(&barrier);
    pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&common->barrier, &barrier, 4);
    for (size_t i = 0; i < 4; i++)
        children[i] = child_of(child, (void *)i);
    for (size_t i = 0; i < 4; i++)
        YES(ended(children[i]) == 0);
    SHOW(common->counter);
    SHOW(common->plain);
    for (size_t i = 0; i < 4; i++)
        YES(spoilt(common->words + i * MIB / 4, 2 * MIB, i) == 0);
    sem_init(&common->there, 1, 0);
    sem_init(&common->back, 1, 0);
    children[0] = child_of(partner, NULL);
    size_t wrong = 0;
    for (int i = 0; i < 500; i++) {
        common->plain = i;
        sem_post(&common->there);
        sem_wait(&common->back);
        wrong += common->plain != 2 * i;
    }
    YES(wrong == 0 && ended(children[0]) == 0);
    return failed;
}
