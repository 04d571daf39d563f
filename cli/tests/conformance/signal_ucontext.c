/* A handler changes registers, the mask and vector registers of what it interrupted. */
#include "conformance.h"
#include <ucontext.h>

static void skip(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    ucontext_t *at = context;
    at->uc_mcontext.gregs[REG_RIP] += 2; /* ud2 */
    at->uc_mcontext.gregs[REG_RAX] = 1234;
    at->uc_mcontext.gregs[REG_R15] += 1;
    at->uc_mcontext.fpregs->_xmm[7].element[0] = 99;
    sigaddset(&at->uc_sigmask, SIGUSR2);
}

static void hop(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RBX] ^= 0xff;
}

int main(void) {
    on_signal_info(SIGILL, skip, 0);
    on_signal_info(SIGTRAP, hop, 0);
    unsigned long rax = 1, r15 = 10, rbx = 0xf0f0;
    unsigned xmm[4] = {0};
    asm volatile("mov %[r15], %%r15\n pxor %%xmm7, %%xmm7\n ud2\n mov %%r15, %[r15]\n movdqu %%xmm7, %[xmm]"
                 : [r15] "+&r"(r15), [xmm] "=m"(xmm), "+a"(rax)::"r15", "xmm7");
    SHOW(rax);
    SHOW(r15);
    SHOW(xmm[0]);
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    YES(sigismember(&mask, SIGUSR2) == 1 && sigismember(&mask, SIGILL) == 0);
    asm volatile("int3" : "+b"(rbx));
    SHOW(rbx);
    return failed;
}
