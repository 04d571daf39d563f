/* Handlers on an alternate stack; an overflow of the ordinary one is caught there. */
#include "conformance.h"
#include <setjmp.h>

static char *alternate;
static volatile bool inside, told_on, refused;
static sigjmp_buf out;

static bool within(void *at) { return (char *)at >= alternate && (char *)at < alternate + 64 * 1024; }

static void handler(int signal) {
    (void)signal;
    stack_t now, other = {.ss_sp = alternate, .ss_size = 64 * 1024};
    inside = within(&now);
    told_on = sigaltstack(NULL, &now) == 0 && now.ss_flags == SS_ONSTACK;
    refused = FAILS(sigaltstack(&other, NULL), EPERM);
}

static void overflow(int signal) {
    handler(signal);
    siglongjmp(out, 1);
}

__attribute__((noinline)) static unsigned long deeper(unsigned long n) {
    volatile char frame[1024];
    frame[n % 1024] = (char)n;
    return n == 1ul << 60 ? 0 : deeper(n + 1) + frame[5];
}

int main(void) {
    stack_t old;
    YES(sigaltstack(NULL, &old) == 0 && old.ss_flags == SS_DISABLE);
    alternate = anonymous(64 * 1024);
    stack_t stack = {.ss_sp = alternate, .ss_size = 64 * 1024};
    YES(FAILS(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = 100}, NULL), ENOMEM));
    YES(sigaltstack(&stack, NULL) == 0);
    on_signal(SIGUSR1, handler, SA_ONSTACK);
    raise(SIGUSR1);
    YES(inside && told_on && refused);
    on_signal(SIGUSR1, handler, 0);
    raise(SIGUSR1);
    YES(!inside && !refused);
    YES(sigaltstack(&stack, NULL) == 0);
    on_signal(SIGSEGV, overflow, SA_ONSTACK);
    for (int i = 0; i < 3; i++) {
        if (sigsetjmp(out, 1) == 0)
            deeper(0);
        YES(inside && told_on);
    }
    YES(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, &old) == 0 && old.ss_sp == alternate);
    YES(sigaltstack(NULL, &old) == 0 && old.ss_flags == SS_DISABLE);
    return failed;
}
