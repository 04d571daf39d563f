/* A thread that touches nothing it may: the process ends by SIGSEGV. */
#include "conformance.h"

static void *crash(void *with) { *(volatile int *)with = 1; return NULL; }

int main(void) {
    puts("before");
    joined(thread_of(crash, NULL));
    puts("after");
    return 0;
}
