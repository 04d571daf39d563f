/* While some threads sleep in reads, waits and semaphores, others page, wake them, signal them, cancel them and join them. */
#include "conformance.h"
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>

#define ROUNDS 30
#define BYTES (12 * MIB)

static int pipes[2];
static char *memory;
static sem_t turn, done;
static atomic_long heard, wrong_ids, reads;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long round_now;

static void on_usr1(int signal) {
    (void)signal;
    heard++;
}

/* Sleeps in read, again and again. */
static void *reader(void *with) {
    uint64_t word, expected = 0;
    (void)with;
    while (read(pipes[0], &word, 8) == 8 && word == expected) {
        expected++;
        reads++;
    }
    return NULL;
}

/* Sleeps on a semaphore; works in memory of its own. */
static void *worker(void *with) {
    size_t part = (size_t)(uintptr_t)with, spoiled = 0;
    char *own = memory + part * (BYTES / 2);
    pid_t id = (pid_t)syscall(SYS_gettid);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        while (sem_wait(&turn) == -1)
            CHECK(errno == EINTR);
        fill(own, BYTES / 2, round);
        wrong_ids += syscall(SYS_gettid) != id;
        spoiled += spoilt(own, BYTES / 2, round);
        sem_post(&done);
        pthread_mutex_lock(&lock);
        while (round_now <= (long)round)
            pthread_cond_wait(&changed, &lock);
        pthread_mutex_unlock(&lock);
    }
    return (void *)spoiled;
}

/* Sleeps until it is cancelled. */
static void *waiter(void *with) {
    sem_t never;
    (void)with;
    sem_init(&never, 0, 0);
    while (sem_wait(&never) == -1)
        ;
    return NULL;
}

static void *short_lived(void *with) {
    char *own = memory + (uintptr_t)with * 4096;
    volatile char first = own[0];
    (void)first;
    return (void *)1;
}

int main(void) {
    memory = anonymous(BYTES);
    CHECK(pipe(pipes) == 0 && sem_init(&turn, 0, 0) == 0 && sem_init(&done, 0, 0) == 0);
    on_signal(SIGUSR1, on_usr1, SA_RESTART);
    pthread_t reading = thread_of(reader, NULL);
    pthread_t working[2] = {thread_of(worker, (void *)0), thread_of(worker, (void *)1)};
    long ended_well = 0, cancelled = 0, sent = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        pthread_t waiting = thread_of(waiter, NULL);
        sem_post(&turn);
        sem_post(&turn);
        CHECK(write(pipes[1], &round, 8) == 8);
        sent += pthread_kill(working[round % 2], SIGUSR1) == 0;
        WAIT_FOR(heard == sent);
        ended_well += (uintptr_t)joined(thread_of(short_lived, (void *)(uintptr_t)round)) == 1;
        for (int i = 0; i < 2; i++)
            while (sem_wait(&done) == -1)
                CHECK(errno == EINTR);
        pthread_mutex_lock(&lock);
        round_now++;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
        pthread_cancel(waiting);
        cancelled += joined(waiting) == PTHREAD_CANCELED;
    }
    SHOW((uintptr_t)joined(working[0]) + (uintptr_t)joined(working[1]));
    close(pipes[1]);
    joined(reading);
    SHOW(reads);
    SHOW(heard);
    SHOW(ended_well);
    SHOW(cancelled);
    YES(wrong_ids == 0);
    return failed;
}
