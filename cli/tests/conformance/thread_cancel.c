/* Cancellation: deferred at a cancellation point, in a blocked read, asynchronous in a loop, disabled; cleanup handlers run. */
#include "conformance.h"
#include <semaphore.h>

static int ends[2];
static atomic_int cleaned, ready;
static void clean(void *with) { cleaned += (int)(uintptr_t)with; }

static void *in_read(void *with) {
    char byte;
    (void)with;
    pthread_cleanup_push(clean, (void *)1);
    ready = 1;
    CHECK(read(ends[0], &byte, 1) == 1);
    pthread_cleanup_pop(0);
    return NULL;
}
static void *in_sleep(void *with) {
    (void)with;
    pthread_cleanup_push(clean, (void *)10);
    ready = 1;
    for (;;)
        sleep(100);
    pthread_cleanup_pop(0);
    return NULL;
}
static void *in_loop(void *with) {
    (void)with;
    pthread_cleanup_push(clean, (void *)100);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    ready = 1;
    for (volatile unsigned long i = 0;; i++)
        ;
    pthread_cleanup_pop(0);
    return NULL;
}
static void *unwilling(void *with) {
    (void)with;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    ready = 1;
    nap_ms(50);
    ready = 2;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    pthread_testcancel();
    ready = 3;
    return NULL;
}
static void *on_condition(void *with) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    (void)with;
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(clean, (void *)1000);
    ready = 1;
    for (;;)
        pthread_cond_wait(&condition, &mutex);
    pthread_cleanup_pop(0);
    return NULL;
}

static bool cancelled(void *(*run)(void *)) {
    ready = 0;
    pthread_t thread = thread_of(run, NULL);
    WAIT_FOR(ready);
    nap_ms(5);
    CHECK(pthread_cancel(thread) == 0);
    return joined(thread) == PTHREAD_CANCELED;
}

int main(void) {
    CHECK(pipe(ends) == 0);
    YES(cancelled(in_read));
    YES(cancelled(in_sleep));
    YES(cancelled(in_loop));
    YES(cancelled(on_condition));
    YES(cancelled(unwilling) && ready == 2);
    SHOW(cleaned);
    for (int i = 0; i < 50; i++)
        CHECK(cancelled(in_read));
    SHOW(cleaned);
    return failed;
}
