/* bfs NODES THREADS: breadth-first search, level by level, with threads and atomic marks; checked against one thread. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define DEGREE 6
static size_t nodes;
static int threads;
static uint32_t *edges, *now, *next;
static _Atomic int32_t *level;
static size_t now_count;
static atomic_size_t next_count;
static int32_t depth;
static pthread_barrier_t barrier;

static void *search(void *with) {
    size_t me = (size_t)with;
    for (;;) {
        for (size_t i = now_count * me / threads; i < now_count * (me + 1) / threads; i++)
            for (int j = 0; j < DEGREE; j++) {
                uint32_t to = edges[now[i] * DEGREE + j];
                int32_t none = -1;
                if (atomic_compare_exchange_strong(&level[to], &none, depth + 1))
                    next[atomic_fetch_add(&next_count, 1)] = to;
            }
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
            uint32_t *swap = now;
            now = next;
            next = swap;
            now_count = next_count;
            next_count = 0;
            depth++;
        }
        pthread_barrier_wait(&barrier);
        if (now_count == 0)
            return NULL;
    }
}

int main(int argc, char **argv) {
    nodes = argc > 1 ? strtoul(argv[1], NULL, 0) : 100000;
    threads = argc > 2 ? atoi(argv[2]) : 4;
    edges = malloc(nodes * DEGREE * 4);
    now = malloc(nodes * 4), next = malloc(nodes * 4), level = malloc(nodes * 4);
    int32_t *alone = malloc(nodes * 4);
    uint64_t state = 1;
    for (size_t i = 0; i < nodes * DEGREE; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        edges[i] = i % DEGREE == 0 ? (uint32_t)((i / DEGREE + 1) % nodes) : (uint32_t)((state >> 33) % nodes);
    }
    for (size_t i = 0; i < nodes; i++)
        level[i] = alone[i] = -1;
    size_t head = 0, tail = 1, wrong = 0;
    now[0] = 0, alone[0] = 0;
    while (head < tail) {
        uint32_t from = now[head++];
        for (int j = 0; j < DEGREE; j++)
            if (alone[edges[from * DEGREE + j]] < 0) {
                alone[edges[from * DEGREE + j]] = alone[from] + 1;
                now[tail++] = edges[from * DEGREE + j];
            }
    }
    level[0] = 0, now[0] = 0, now_count = 1;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    pthread_t *thread = malloc(sizeof *thread * threads);
    for (size_t i = 0; i < (size_t)threads; i++)
        if (pthread_create(&thread[i], NULL, search, (void *)i) != 0)
            return 2;
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    long sum = 0;
    for (size_t i = 0; i < nodes; i++) {
        wrong += level[i] != alone[i];
        sum += level[i];
    }
    printf("%zu nodes, %d levels, sum %ld, %zu wrong\n", nodes, depth, sum, wrong);
    return wrong != 0;
}
