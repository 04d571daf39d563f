/* merge_sort WORDS THREADS: sorts random words with threads; checks order and sum. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct part {
    uint64_t *at, *spare;
    size_t count;
    int threads;
};

static void merge(uint64_t *at, uint64_t *spare, size_t half, size_t count) {
    size_t i = 0, j = half, out = 0;
    while (i < half && j < count)
        spare[out++] = at[i] <= at[j] ? at[i++] : at[j++];
    memcpy(spare + out, at + i, (half - i) * 8);
    memcpy(spare + out + half - i, at + j, (count - j) * 8);
    memcpy(at, spare, count * 8);
}

static void *sort(void *with) {
    struct part part = *(struct part *)with;
    size_t half = part.count / 2;
    if (part.count < 2)
        return NULL;
    struct part left = {part.at, part.spare, half, part.threads / 2};
    struct part right = {part.at + half, part.spare + half, part.count - half, part.threads - part.threads / 2};
    pthread_t thread;
    if (part.threads > 1) {
        if (pthread_create(&thread, NULL, sort, &left) != 0)
            exit(2);
        sort(&right);
        pthread_join(thread, NULL);
    } else {
        sort(&left);
        sort(&right);
    }
    merge(part.at, part.spare, half, part.count);
    return NULL;
}

int main(int argc, char **argv) {
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000000, wrong = 0;
    uint64_t *words = malloc(count * 8), sum = 0, after = 0, check = 0;
    for (size_t i = 0; i < count; i++)
        sum += words[i] = (i + 1) * 0x9e3779b97f4a7c15u ^ (i << 40);
    sort(&(struct part){words, malloc(count * 8), count, argc > 2 ? atoi(argv[2]) : 4});
    for (size_t i = 0; i < count; i++) {
        after += words[i];
        check = check * 31 + words[i];
        wrong += i > 0 && words[i - 1] > words[i];
    }
    printf("sorted %zu words, %zu out of order, sum %s, check %016lx\n", count, wrong, sum == after ? "same" : "CHANGED", check);
    return wrong != 0 || sum != after;
}
