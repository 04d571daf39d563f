/* pthread_atfork handlers in order, and malloc in the child of a threaded program. */
#include "conformance.h"

static char trace[64];
static void put(const char *text) { strcat(trace, text); }
static void before1(void) { put("b1 "); }
static void before2(void) { put("b2 "); }
static void parent1(void) { put("p1 "); }
static void parent2(void) { put("p2 "); }
static void child1(void) { put("c1 "); }
static void child2(void) { put("c2 "); }
static atomic_int done;
static void *allocate(void *with) { while (!done) free(malloc(100 + (size_t)with)); return NULL; }
static int child(void *with) {
    (void)with;
    puts(trace);
    for (int i = 0; i < 1000; i++)
        memset(malloc(1000), 1, 1000);
    return 0;
}

int main(void) {
    pthread_atfork(before1, parent1, child1);
    pthread_atfork(before2, parent2, child2);
    pthread_t thread = thread_of(allocate, NULL);
    int sum = 0;
    for (int i = 0; i < 10; i++) {
        trace[0] = 0;
        sum += ended(child_of(child, NULL));
    }
    puts(trace);
    done = 1;
    joined(thread);
    SHOW(sum);
    return failed;
}
