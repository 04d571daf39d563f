/* A timer interrupts a computation that makes no system call, over more memory than the budget; its handler touches that memory. */
#include "conformance.h"
#include <sys/time.h>

#define BYTES (24 * MIB)
static uint64_t *memory;
static volatile sig_atomic_t ticks;
static volatile uint64_t touched;
static void tick(int signal) {
    (void)signal;
    touched += memory[(size_t)(++ticks * 7919) * 512 % (BYTES / 8)];
}

int main(void) {
    memory = anonymous(BYTES);
    fill(memory, BYTES, 1);
    on_signal(SIGALRM, tick, SA_RESTART);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 3000}, {0, 3000}}, NULL);
    size_t wrong = 0;
    int rounds = 0;
    while (ticks < 20 && rounds++ < 10000)
        wrong += spoilt(memory, BYTES, 1);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    YES(wrong == 0 && ticks >= 20);
    /* Nothing but the handler ends this loop. */
    ticks = 0;
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 3000}, {0, 3000}}, NULL);
    while (ticks < 20)
        ;
    YES(ticks >= 20);
    return failed;
}
