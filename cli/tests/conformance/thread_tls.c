/* Thread-local variables with and without initial values, keys with destructors, errno of each thread. */
#include "conformance.h"

static __thread uint64_t start = 4711, zero, table[500] = {1, 2, 3};
static __thread char name[16] = "initial";
static pthread_key_t key;
static atomic_int destroyed;
static void destroy(void *value) { destroyed += (int)(uintptr_t)value; }

static void *work(void *with) {
    uintptr_t me = (uintptr_t)with, wrong = start != 4711 || zero || table[2] != 3 || table[499] || strcmp(name, "initial");
    start += me;
    zero = me;
    table[499] = me * me;
    snprintf(name, sizeof name, "t%d", (int)me);
    pthread_setspecific(key, (void *)me);
    for (int i = 0; i < 100; i++) {
        errno = (int)me;
        sched_yield();
        wrong += errno != (int)me || start != 4711 + me || zero != me || table[499] != me * me;
        wrong += (uintptr_t)pthread_getspecific(key) != me;
    }
    return (void *)wrong;
}

int main(void) {
    pthread_t thread[16];
    uintptr_t wrong = 0;
    CHECK(pthread_key_create(&key, destroy) == 0);
    start = 1;
    for (uintptr_t i = 0; i < 16; i++)
        thread[i] = thread_of(work, (void *)(i + 1));
    for (int i = 0; i < 16; i++)
        wrong += (uintptr_t)joined(thread[i]);
    YES(wrong == 0 && start == 1 && zero == 0);
    SHOW(destroyed);
    return failed;
}
