/* Vector registers, the x87 stack and rounding survive handlers that spoil them; handlers start with clean control words. */
#include "conformance.h"
#include <fenv.h>
#include <sys/time.h>

static volatile sig_atomic_t ticks;
static volatile double sink = 1.0;
static void spoil(int signal) {
    (void)signal;
    ticks++;
    asm volatile("pcmpeqd %%xmm0, %%xmm0\n pcmpeqd %%xmm8, %%xmm8\n pcmpeqd %%xmm15, %%xmm15\n fninit" ::: "xmm0", "xmm8", "xmm15");
    for (int i = 0; i < 10; i++)
        sink = sink * 1.5 + 1;
    sink = 1.0;
}

int main(void) {
    on_signal(SIGALRM, spoil, 0);
    fesetround(FE_UPWARD);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
    unsigned long wrong = 0, turns = 0;
    while (ticks < 50 && turns < 2000000000ul) {
        uint64_t a[2] = {turns, ~turns}, b[2] = {turns * 3, 7}, c[2], d[2];
        unsigned long rounds = 200;
        double x = 3.25, y = 0;
        asm volatile("movdqu %[a], %%xmm8\n movdqu %[b], %%xmm15\n fldl %[x]\n"
                     "1: dec %[n]\n jnz 1b\n"
                     "movdqu %%xmm8, %[c]\n movdqu %%xmm15, %[d]\n fstpl %[y]"
                     : [n] "+&r"(rounds), [c] "=m"(c), [d] "=m"(d), [y] "=m"(y)
                     : [a] "m"(a), [b] "m"(b), [x] "m"(x)
                     : "xmm8", "xmm15", "st", "cc");
        wrong += memcmp(a, c, 16) != 0 || memcmp(b, d, 16) != 0 || y != x;
        turns++;
    }
    YES(wrong == 0 && ticks >= 50 && fegetround() == FE_UPWARD);
    return failed;
}
