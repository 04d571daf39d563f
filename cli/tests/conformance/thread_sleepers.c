/* Threads sleep in one call after the other (reads, polls, selects, epoll, accept, naps, waits for children) while one computes and feeds them. */
#include "conformance.h"
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#define ROUNDS 12
#define BYTES (16 * MIB)

enum { READS, VECTORS, POLLS, SELECTS, EPOLLS, RECEIVES, KINDS };
static int ends[KINDS][2], listener;
static char *memory;
static _Atomic long interrupted, ready_to_be_interrupted;

static void on_usr1(int signal) { (void)signal; }

/* Waits for its descriptor as its kind does, then takes a word from it. Returns how many were wrong. */
static void *taker(void *with) {
    int kind = (int)(intptr_t)with, fd = ends[kind][0], poller = epoll_create1(0);
    /* On pages that are evicted and elsewhere like all others. */
    uint64_t *word = (uint64_t *)(memory + (size_t)kind * MIB + 4096 - 8);
    long wrong = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 77};
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        ssize_t got = 0;
        struct pollfd one = {.fd = fd, .events = POLLIN};
        fd_set set;
        switch (kind) {
        case VECTORS:
            got = readv(fd, (struct iovec[]){{word, 4}, {(char *)word + 4, 4}}, 2);
            break;
        case POLLS:
            wrong += poll(&one, 1, -1) != 1 || one.revents != POLLIN;
            break;
        case SELECTS:
            FD_ZERO(&set);
            FD_SET(fd, &set);
            wrong += select(fd + 1, &set, NULL, NULL, NULL) != 1 || !FD_ISSET(fd, &set);
            break;
        case EPOLLS:
            event.data.u64 = 0;
            wrong += epoll_wait(poller, &event, 1, 30000) != 1 || event.data.u64 != 77;
            break;
        case RECEIVES:
            got = recv(fd, word, 8, 0);
            break;
        }
        got = got ? got : read(fd, word, 8);
        wrong += got != 8 || *word != round * KINDS + (uint64_t)kind;
        word[1] = round;
    }
    return (void *)wrong;
}

static void *napper(void *with) {
    long wrong = 0;
    (void)with;
    for (int i = 0; i < 2 * ROUNDS; i++) {
        long before = now_ms();
        struct timespec rest = {0, 3000000};
        wrong += nanosleep(&rest, NULL) != 0 || now_ms() - before < 3;
        struct pollfd none = {.fd = -1};
        wrong += poll(&none, 1, 2) != 0;
    }
    return (void *)wrong;
}

static void *accepter(void *with) {
    long wrong = 0;
    (void)with;
    for (int i = 0; i < ROUNDS; i++) {
        struct sockaddr_un from;
        socklen_t length = sizeof from;
        char text[4] = "";
        int fd = accept(listener, (struct sockaddr *)&from, &length);
        wrong += fd < 0 || length != sizeof from.sun_family || recv(fd, text, 4, MSG_WAITALL) != 4 || memcmp(text, "ping", 4) != 0;
        close(fd);
    }
    return (void *)wrong;
}

static void *parent(void *with) {
    long wrong = 0;
    (void)with;
    for (int i = 0; i < 3; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            nap_ms(20);
            _exit(40 + i);
        }
        wrong += waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 40 + i;
    }
    return (void *)wrong;
}

/* Its read never gets anything but signals. */
static void *bothered(void *with) {
    int *never = with;
    char byte;
    while (interrupted < 5) {
        ready_to_be_interrupted = interrupted + 1;
        if (read(never[0], &byte, 1) == -1 && errno == EINTR)
            interrupted++;
    }
    return NULL;
}

int main(void) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct sigaction action = {.sa_handler = on_usr1};
    int never[2];
    memory = anonymous(BYTES);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&name, sizeof name.sun_family) == 0 && listen(listener, 50) == 0);
    socklen_t length = sizeof name;
    CHECK(getsockname(listener, (struct sockaddr *)&name, &length) == 0 && pipe(never) == 0);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    for (int kind = 0; kind < KINDS; kind++)
        CHECK((kind == RECEIVES ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends[kind]) : pipe(ends[kind])) == 0);
    pthread_t takers[KINDS], naps = thread_of(napper, NULL), accepts = thread_of(accepter, NULL), waits = thread_of(parent, NULL);
    pthread_t bother = thread_of(bothered, never);
    for (int kind = 0; kind < KINDS; kind++)
        takers[kind] = thread_of(taker, (void *)(intptr_t)kind);
    size_t spoiled = 0;
    char *own = memory + KINDS * MIB;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        fill(own, BYTES - KINDS * MIB, round);
        for (int kind = 0; kind < KINDS; kind++) {
            uint64_t word = round * KINDS + (uint64_t)kind;
            CHECK(write(ends[kind][1], &word, 8) == 8);
            spoiled += spoilt(own + (size_t)kind * MIB, MIB, round + (uint64_t)kind * MIB / 8);
        }
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        CHECK(connect(fd, (struct sockaddr *)&name, length) == 0 && send(fd, "ping", 4, 0) == 4);
        close(fd);
        spoiled += spoilt(own, BYTES - KINDS * MIB, round);
    }
    for (int kind = 0; kind < KINDS; kind++)
        SHOW(joined(takers[kind]));
    SHOW(joined(naps));
    SHOW(joined(accepts));
    SHOW(joined(waits));
    SHOW(spoiled);
    while (interrupted < 5) {
        WAIT_FOR(ready_to_be_interrupted > interrupted);
        pthread_kill(bother, SIGUSR1);
        nap_ms(2);
    }
    joined(bother);
    SHOW(interrupted);
    for (int kind = 0; kind < KINDS; kind++)
        failed |= *(uint64_t *)(memory + (size_t)kind * MIB + 4096) != ROUNDS - 1;
    return failed;
}
