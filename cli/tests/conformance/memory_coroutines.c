/* Coroutines: contexts with stacks of their own in paged memory, switched many times (makecontext, swapcontext). */
#include "conformance.h"
#include <ucontext.h>

#define COUNT 96
#define STACK (256ul * 1024)
static ucontext_t home, context[COUNT];
static uint64_t sum;
static void run(int me) {
    uint64_t local[24 * 1024];
    fill(local, sizeof local, (uint64_t)me);
    for (int round = 0; round < 6; round++) {
        sum += spoilt(local, sizeof local, (uint64_t)(me + round));
        fill(local, sizeof local, (uint64_t)(me + round + 1));
        swapcontext(&context[me], &context[(me + 1) % COUNT]);
    }
    if (me == COUNT - 1)
        setcontext(&home);
    setcontext(&context[me + 1]);
}

int main(void) {
    char *stacks = anonymous(COUNT * STACK);
    for (int i = 0; i < COUNT; i++) {
        CHECK(getcontext(&context[i]) == 0);
        context[i].uc_stack.ss_sp = stacks + (size_t)i * STACK;
        context[i].uc_stack.ss_size = STACK;
        makecontext(&context[i], (void (*)(void))run, 1, i);
    }
    swapcontext(&home, &context[0]);
    SHOW(sum);
    return failed;
}
