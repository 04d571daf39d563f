/* A POSIX timer that runs a function in a thread; signals that a timer sends to one thread. */
#include "conformance.h"

static atomic_int calls, value, here;
static pid_t main_id;
static void call(union sigval with) { value = with.sival_int; calls++; }
static void handler(int signal) { (void)signal; here += gettid() == main_id; }
static void *spin(void *with) { (void)with; WAIT_FOR(here >= 5); return NULL; }

int main(void) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = call, .sigev_value = {.sival_int = 9}};
    struct itimerspec times = {{0, 5000000}, {0, 5000000}};
    YES(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &times, NULL) == 0);
    WAIT_FOR(calls >= 5);
    YES(calls >= 5 && value == 9 && timer_delete(timer) == 0);
    main_id = gettid();
    on_signal(SIGRTMIN + 3, handler, SA_RESTART);
    event = (struct sigevent){.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 3};
    event._sigev_un._tid = main_id;
    pthread_t other = thread_of(spin, NULL);
    YES(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &times, NULL) == 0);
    WAIT_FOR(here >= 5);
    YES(here >= 5 && timer_delete(timer) == 0);
    joined(other);
    return failed;
}
