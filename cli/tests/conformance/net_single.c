/* One process talks to itself: non-blocking TCP over loopback and a Unix socket, driven by epoll, in paged memory. */
#include "conformance.h"
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define BYTES (6 * MIB)

static void talk(int family, struct sockaddr *address, socklen_t length) {
    int listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0), set = epoll_create1(0), ends[2];
    YES(bind(listener, address, length) == 0 && listen(listener, 1) == 0);
    getsockname(listener, address, &length);
    YES(FAILS(accept(listener, NULL, NULL), EAGAIN));
    ends[0] = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    YES(connect(ends[0], address, length) == 0 || errno == EINPROGRESS);
    WAIT_FOR((ends[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
    YES(ends[1] >= 0);
    char *from[2] = {anonymous(BYTES), anonymous(BYTES)}, *to[2] = {anonymous(BYTES), anonymous(BYTES)};
    size_t sent[2] = {0, 0}, got[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP, .data.u32 = (uint32_t)i};
        fill(from[i], BYTES, (uint64_t)i);
        CHECK(epoll_ctl(set, EPOLL_CTL_ADD, ends[i], &event) == 0);
    }
    while (got[0] < BYTES || got[1] < BYTES) {
        struct epoll_event events[4];
        int count = epoll_wait(set, events, 4, 10000);
        CHECK(count > 0);
        for (int j = 0; j < count; j++) {
            uint32_t i = events[j].data.u32;
            ssize_t now;
            if (events[j].events & EPOLLOUT && sent[i] < BYTES && (now = send(ends[i], from[i] + sent[i], BYTES - sent[i], 0)) > 0)
                sent[i] += (size_t)now;
            if (events[j].events & EPOLLIN && (now = recv(ends[i], to[i] + got[i], BYTES - got[i], 0)) > 0)
                got[i] += (size_t)now;
        }
    }
    YES(spoilt(to[0], BYTES, 1) == 0 && spoilt(to[1], BYTES, 0) == 0);
    for (int i = 0; i < 2; i++)
        close(ends[i]), munmap(from[i], BYTES), munmap(to[i], BYTES);
    close(listener), close(set);
}

int main(void) {
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    talk(AF_INET, (struct sockaddr *)&inet, sizeof inet);
    snprintf(local.sun_path, sizeof local.sun_path, "/tmp/conformance-socket-%d", getpid());
    talk(AF_UNIX, (struct sockaddr *)&local, sizeof local);
    YES(unlink(local.sun_path) == 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet.sin_port = htons(1);
    YES(FAILS(connect(fd, (struct sockaddr *)&inet, sizeof inet), ECONNREFUSED));
    int error = -1;
    socklen_t length = sizeof error;
    YES(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0 && length == 4);
    return failed;
}
