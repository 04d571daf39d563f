/* pthread_once runs once for all; semaphores pass turns between threads. */
#include "conformance.h"
#include <semaphore.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int runs, wrong;
static void init(void) { nap_ms(20); runs++; }
static void *call(void *with) { (void)with; pthread_once(&once, init); wrong += runs != 1; return NULL; }

static sem_t turn[3];
static char text[100];
static atomic_int at;
static void *letters(void *with) {
    size_t me = (size_t)with;
    for (int i = 0; i < 10; i++) {
        sem_wait(&turn[me]);
        text[at++] = "abc"[me];
        sem_post(&turn[(me + 1) % 3]);
    }
    return NULL;
}

int main(void) {
    pthread_t thread[8];
    for (int i = 0; i < 8; i++)
        thread[i] = thread_of(call, NULL);
    for (int i = 0; i < 8; i++)
        joined(thread[i]);
    YES(runs == 1 && wrong == 0);
    for (size_t i = 0; i < 3; i++)
        sem_init(&turn[i], 0, i == 0);
    for (size_t i = 0; i < 3; i++)
        thread[i] = thread_of(letters, (void *)i);
    for (int i = 0; i < 3; i++)
        joined(thread[i]);
    puts(text);
    int value;
    struct timespec past = {1, 0};
    YES(sem_getvalue(&turn[0], &value) == 0 && value == 1 && sem_trywait(&turn[0]) == 0);
    YES(FAILS(sem_trywait(&turn[0]), EAGAIN) && FAILS(sem_timedwait(&turn[0], &past), ETIMEDOUT));
    return failed;
}
