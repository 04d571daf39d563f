// A table of random numbers, sorted by way of a linked list of its own: some memory, floating point, and output.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct node {
    struct node *next;
    uint64_t key;
    double root;
};

static int by_key(const void *left, const void *right) {
    uint64_t a = (*(struct node *const *)left)->key, b = (*(struct node *const *)right)->key;
    return a < b ? -1 : a > b;
}

int main(int argc, char **argv) {
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    uint64_t state = 88172645463325252;
    struct node *head = NULL, **sorted = malloc(count * sizeof *sorted);
    for (size_t i = 0; i < count; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        struct node *node = malloc(sizeof *node);
        *node = (struct node){head, state, (double)state / 3.0};
        sorted[i] = head = node;
    }
    qsort(sorted, count, sizeof *sorted, by_key);
    uint64_t sum = 0;
    double roots = 0;
    for (size_t i = 0; i < count; i++) sum = sum * 31 + sorted[i]->key, roots += sorted[i]->root;
    for (struct node *node = head; node; node = node->next) sum ^= node->key;
    for (size_t i = 0; i < count; i += count / 100) printf("%zu %016lx %.17g\n", i, sorted[i]->key, sorted[i]->root);
    printf("%016lx %.17g\n", sum, roots);
    return argc - 2;
}
