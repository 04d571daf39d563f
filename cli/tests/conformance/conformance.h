/* What the conformance programs share. Each shows one behaviour of Linux, prints the same lines in every run, and ends with 0
 * if all of them are as they should be. No process id, address or time is ever printed. */
#include "../../../jumper/tests/fixtures/fixture.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

__attribute__((unused)) static int failed;

/* One line: the condition and whether it holds. */
#define YES(condition) \
    do { \
        bool holds_ = (condition); \
        failed |= !holds_; \
        printf("%s: %s\n", #condition, holds_ ? "yes" : "NO"); \
    } while (0)

/* One line: the expression and its value. */
#define SHOW(expression) printf("%s: %ld\n", #expression, (long)(expression))

/* True if the call fails with this error. */
#define FAILS(call, error) (errno = 0, (long)(call) == -1 && errno == (error))

/* Whole lines leave at once, so that a fork copies no half. */
__attribute__((constructor)) static void line_by_line(void) {
    static char buffer[4096];
    setvbuf(stdout, buffer, _IOLBF, sizeof buffer);
}

static inline void nap_ms(long ms) {
    struct timespec rest = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&rest, &rest) == -1 && errno == EINTR)
        ;
}

static inline long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits at most ten seconds for the condition. */
#define WAIT_FOR(condition) \
    do { \
        long deadline_ = now_ms() + 10000; \
        while (!(condition) && now_ms() < deadline_) \
            nap_ms(1); \
    } while (0)

static inline void *anonymous(size_t bytes) {
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

static inline void *shared(size_t bytes) {
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

/* Words that depend on their place and a seed. */
static inline void fill(void *at, size_t bytes, uint64_t seed) {
    uint64_t *words = at;
    for (size_t i = 0; i < bytes / 8; i++)
        words[i] = (i + seed) * 0x9e3779b97f4a7c15u;
}

/* How many words are not as fill() left them. */
static inline size_t spoilt(const void *at, size_t bytes, uint64_t seed) {
    const uint64_t *words = at;
    size_t wrong = 0;
    for (size_t i = 0; i < bytes / 8; i++)
        wrong += words[i] != (i + seed) * 0x9e3779b97f4a7c15u;
    return wrong;
}

static inline void on_signal(int signal, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static inline void on_signal_info(int signal, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
    CHECK(sigaction(signal, &action, NULL) == 0);
}

/* A child that runs the function and exits with what it returns. */
static inline pid_t child_of(int (*run)(void *), void *with) {
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(run(with));
    return child;
}

/* Exit status of the child, or minus the signal that ended it. */
static inline int ended(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) == -1)
        CHECK(errno == EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline pthread_t thread_of(void *(*run)(void *), void *with) {
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run, with);
    if (error != 0) {
        fprintf(stderr, "pthread_create: %s\n", strerror(error));
        exit(1);
    }
    return thread;
}

static inline void *joined(pthread_t thread) {
    void *result = NULL;
    CHECK(pthread_join(thread, &result) == 0);
    return result;
}
