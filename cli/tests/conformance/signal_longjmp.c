/* siglongjmp out of handlers: of faults, of a blocking read, of a busy loop. The mask comes back each time. */
#include "conformance.h"
#include <setjmp.h>
#include <sys/time.h>

static sigjmp_buf out;
static void leave(int signal) { siglongjmp(out, signal); }

int main(void) {
    int ends[2];
    sigset_t mask;
    char byte;
    on_signal(SIGSEGV, leave, 0);
    on_signal(SIGALRM, leave, SA_RESTART);
    volatile int faults = 0;
    volatile char *nothing = NULL;
    for (volatile int i = 0; i < 1000; i++) {
        if (sigsetjmp(out, 1) == 0)
            *nothing = 1;
        else
            faults++;
    }
    SHOW(faults);
    CHECK(pipe(ends) == 0);
    for (volatile int i = 0; i < 5; i++) {
        int why = sigsetjmp(out, 1);
        if (why == 0) {
            setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 10000}}, NULL);
            CHECK(read(ends[0], &byte, 1) == 1);
        }
        YES(why == SIGALRM && sigprocmask(SIG_SETMASK, NULL, &mask) == 0 && sigisemptyset(&mask));
    }
    for (volatile int i = 0; i < 5; i++) {
        int why = sigsetjmp(out, 1);
        if (why == 0) {
            setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 10000}}, NULL);
            for (volatile int turn = 0;; turn++)
                ;
        }
        YES(why == SIGALRM);
    }
    CHECK(write(ends[1], "z", 1) == 1);
    YES(read(ends[0], &byte, 1) == 1 && byte == 'z');
    return failed;
}
