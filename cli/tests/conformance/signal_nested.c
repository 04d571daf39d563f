/* Handlers within handlers: another signal, the same one with SA_NODEFER, and sa_mask that holds one back. */
#include "conformance.h"

static char trace[64];
static volatile int at;
static void put(char c) { trace[at++] = c; }
static void inner(int signal) { (void)signal; put('('); put(')'); }
static void outer(int signal) { (void)signal; put('['); raise(SIGUSR2); put(']'); }
static volatile int depth;
static void again(int signal) {
    (void)signal;
    put('<');
    if (++depth < 4)
        raise(SIGUSR1);
    put('>');
}

static void show(void) {
    trace[at] = 0;
    puts(trace);
    at = depth = 0;
}

int main(void) {
    struct sigaction masked = {.sa_handler = outer};
    on_signal(SIGUSR1, outer, 0);
    on_signal(SIGUSR2, inner, 0);
    raise(SIGUSR1);
    show();
    sigaddset(&masked.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &masked, NULL);
    raise(SIGUSR1);
    show();
    on_signal(SIGUSR1, again, SA_NODEFER);
    raise(SIGUSR1);
    show();
    on_signal(SIGUSR1, again, 0);
    raise(SIGUSR1);
    show();
    return failed;
}
