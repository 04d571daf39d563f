/* SIGFPE with code and address: integer division, and floating-point exceptions that are turned on. */
#include "conformance.h"
#include <fenv.h>
#include <setjmp.h>
#include <ucontext.h>

static sigjmp_buf out;
static volatile int code;
static volatile bool here;
static void leave(int signal, siginfo_t *info, void *context) {
    (void)signal;
    code = info->si_code;
    here = (greg_t)info->si_addr == ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    siglongjmp(out, 1);
}

int main(void) {
    volatile int zero = 0, least = (-2147483647 - 1), minus = -1, result;
    volatile double none = 0, one = 1, big = 1e308, bad;
    on_signal_info(SIGFPE, leave, 0);
    if (!sigsetjmp(out, 1))
        result = 7 / zero;
    YES(code == FPE_INTDIV && here);
    if (!sigsetjmp(out, 1))
        result = least / minus;
    YES(code == FPE_INTDIV && here);
    bad = one / none;
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(FE_DIVBYZERO);
    if (!sigsetjmp(out, 1))
        bad = one / none;
    YES(code == FPE_FLTDIV && here);
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(FE_OVERFLOW);
    if (!sigsetjmp(out, 1))
        bad = big * big;
    YES(code == FPE_FLTOVF && here);
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(FE_INVALID);
    if (!sigsetjmp(out, 1))
        bad = none / none;
    YES(code == FPE_FLTINV && here);
    (void)result, (void)bad;
    return failed;
}
