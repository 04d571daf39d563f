/* Signals to one thread, to the process, masks of threads, and a sleeping thread that is woken. */
#include "conformance.h"

static __thread int mine;
static atomic_int sum, ready, elsewhere;
static pthread_t main_thread;
static void note(int signal) { (void)signal; mine++; }
static void who(int signal) { (void)signal; elsewhere += !pthread_equal(pthread_self(), main_thread); }

static void *work(void *with) {
    (void)with;
    ready++;
    while (mine < 3)
        pause();
    sum += mine;
    return NULL;
}
static void *open_one(void *with) {
    sigset_t set;
    (void)with;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    ready++;
    WAIT_FOR(elsewhere == 10);
    return NULL;
}

int main(void) {
    pthread_t thread[4];
    main_thread = pthread_self();
    on_signal(SIGUSR1, note, SA_RESTART);
    on_signal(SIGUSR2, who, SA_RESTART);
    for (int i = 0; i < 4; i++)
        thread[i] = thread_of(work, NULL);
    WAIT_FOR(ready == 4);
    for (int i = 0; i < 4; i++)
        YES(pthread_kill(thread[i], 0) == 0);
    /* A signal may come between the check and pause(): send until all have ended. */
    for (int i = 0; i < 1000 && sum < 12; i++) {
        for (int j = 0; j < 4; j++)
            pthread_kill(thread[j], SIGUSR1);
        nap_ms(2);
    }
    for (int i = 0; i < 4; i++)
        joined(thread[i]);
    YES(sum >= 12 && mine == 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    ready = 0;
    thread[0] = thread_of(open_one, NULL);
    WAIT_FOR(ready == 1);
    for (int i = 1; i <= 10; i++) {
        kill(getpid(), SIGUSR2);
        WAIT_FOR(elsewhere == i);
    }
    joined(thread[0]);
    SHOW(elsewhere);
    YES(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1) == 0 && mine == 1);
    YES(FAILS(syscall(SYS_tgkill, getpid(), 0x3fffffff, SIGUSR1), ESRCH));
    return failed;
}
