/* Read-write locks: writers alone, readers together, trying, time limits. */
#include "conformance.h"

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static long pair[2];
static atomic_int together, most, wrong;
static pthread_barrier_t barrier;
static void *write_it(void *with) {
    (void)with;
    for (int i = 0; i < 2000; i++) {
        pthread_rwlock_wrlock(&lock);
        pair[0]++;
        pair[1]++;
        pthread_rwlock_unlock(&lock);
    }
    return NULL;
}
static void *read_it(void *with) {
    (void)with;
    for (int i = 0; i < 2000; i++) {
        pthread_rwlock_rdlock(&lock);
        wrong += pair[0] != pair[1];
        pthread_rwlock_unlock(&lock);
    }
    pthread_rwlock_rdlock(&lock);
    together++;
    pthread_barrier_wait(&barrier);
    most = together;
    pthread_rwlock_unlock(&lock);
    return NULL;
}
static void *try_write(void *with) { (void)with; return (void *)(intptr_t)pthread_rwlock_trywrlock(&lock); }

int main(void) {
    pthread_t thread[6];
    pthread_barrier_init(&barrier, NULL, 3);
    for (int i = 0; i < 6; i++)
        thread[i] = thread_of(i % 2 ? write_it : read_it, NULL);
    for (int i = 0; i < 6; i++)
        joined(thread[i]);
    YES(wrong == 0 && pair[0] == 6000 && most == 3);
    YES(pthread_rwlock_rdlock(&lock) == 0 && pthread_rwlock_tryrdlock(&lock) == 0);
    YES((intptr_t)joined(thread_of(try_write, NULL)) == EBUSY);
    struct timespec past = {1, 0};
    YES(pthread_rwlock_timedwrlock(&lock, &past) == ETIMEDOUT);
    return failed;
}
