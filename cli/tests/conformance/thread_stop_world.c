/* A collector stops all threads with a signal, looks at their registers' memory, and lets them go on; many times. */
#include "conformance.h"
#include <semaphore.h>

#define THREADS 4
static sem_t stopped;
static atomic_int epoch, done;
static char *memory;
static atomic_ulong wrong;
static void halt(int signal) {
    sigset_t set;
    (void)signal;
    int now = epoch;
    sigfillset(&set);
    sigdelset(&set, SIGUSR2);
    sem_post(&stopped);
    while (epoch == now)
        sigsuspend(&set);
}
static void go_on(int signal) { (void)signal; }
static void *work(void *with) {
    char *mine = memory + (size_t)with * 6 * MIB;
    for (uint64_t seed = 0; !done; seed++) {
        fill(mine, 6 * MIB, seed);
        wrong += spoilt(mine, 6 * MIB, seed);
    }
    return NULL;
}

int main(void) {
    pthread_t thread[THREADS];
    struct sigaction action = {.sa_handler = halt, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    on_signal(SIGUSR2, go_on, SA_RESTART);
    sem_init(&stopped, 0, 0);
    memory = anonymous(24 * MIB);
    for (size_t i = 0; i < THREADS; i++)
        thread[i] = thread_of(work, (void *)i);
    int stops = 0;
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < THREADS; i++)
            pthread_kill(thread[i], SIGUSR1);
        for (int i = 0; i < THREADS; i++)
            while (sem_wait(&stopped) != 0)
                ;
        stops += THREADS;
        uint64_t first = *(volatile uint64_t *)memory;
        nap_ms(1);
        wrong += first != *(volatile uint64_t *)memory;
        epoch++;
        for (int i = 0; i < THREADS; i++)
            pthread_kill(thread[i], SIGUSR2);
        nap_ms(3);
    }
    done = 1;
    for (int i = 0; i < THREADS; i++)
        joined(thread[i]);
    SHOW(stops);
    YES(wrong == 0);
    return failed;
}
