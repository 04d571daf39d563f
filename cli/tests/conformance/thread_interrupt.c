/* A signal to a thread that blocks: the call is restarted with SA_RESTART, ends with EINTR without; nothing happens to others. */
#include "conformance.h"

static int ends[2];
static atomic_int handled, reading;
static pid_t _Atomic reader_id;
static void handler(int signal) { (void)signal; handled += gettid() == reader_id; }
static void *read_one(void *with) {
    char byte;
    (void)with;
    reader_id = gettid();
    reading = 1;
    ssize_t got = read(ends[0], &byte, 1);
    return (void *)(intptr_t)(got == 1 ? 0 : errno);
}
static intptr_t interrupted(int flags) {
    reading = handled = 0;
    on_signal(SIGUSR1, handler, flags);
    pthread_t thread = thread_of(read_one, NULL);
    WAIT_FOR(reading);
    nap_ms(30);
    pthread_kill(thread, SIGUSR1);
    WAIT_FOR(handled == 1);
    nap_ms(30);
    if (flags & SA_RESTART)
        CHECK(write(ends[1], "x", 1) == 1);
    return (intptr_t)joined(thread);
}

int main(void) {
    CHECK(pipe(ends) == 0);
    for (int i = 0; i < 5; i++) {
        YES(interrupted(0) == EINTR && handled == 1);
        YES(interrupted(SA_RESTART) == 0 && handled == 1);
    }
    return failed;
}
