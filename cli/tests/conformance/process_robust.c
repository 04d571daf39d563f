/* A robust mutex in shared memory whose owner process is killed. */
#include "conformance.h"

static pthread_mutex_t *mutex;
static atomic_int *held;
static int take(void *with) { (void)with; pthread_mutex_lock(mutex); *held = 1; while (true) pause(); return 0; }

int main(void) {
    pthread_mutexattr_t attributes;
    mutex = shared(PAGE);
    held = (atomic_int *)(mutex + 1);
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &attributes);
    pid_t child = child_of(take, NULL);
    WAIT_FOR(*held);
    YES(pthread_mutex_trylock(mutex) == EBUSY);
    kill(child, SIGKILL);
    YES(pthread_mutex_lock(mutex) == EOWNERDEAD);
    YES(pthread_mutex_consistent(mutex) == 0 && pthread_mutex_unlock(mutex) == 0);
    SHOW(ended(child));
    return failed;
}
