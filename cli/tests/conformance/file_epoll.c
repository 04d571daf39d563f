/* epoll: level and edge, one shot, data that comes back, nested, events in paged memory. */
#include "conformance.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

int main(void) {
    struct epoll_event *volatile nowhere = (struct epoll_event *)8;
    char *memory = anonymous(24 * MIB);
    struct epoll_event *events = (struct epoll_event *)(memory + MIB - 6), event;
    int set = epoll_create1(EPOLL_CLOEXEC), ends[2];
    CHECK(pipe(ends) == 0);
    event = (struct epoll_event){.events = EPOLLIN, .data.u64 = 0x123456789abcdef0};
    YES(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
    YES(FAILS(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event), EEXIST));
    YES(epoll_wait(set, events, 10, 0) == 0);
    CHECK(write(ends[1], "ab", 2) == 2);
    fill(memory + 2 * MIB, 22 * MIB, 1);
    YES(epoll_wait(set, events, 10, 1000) == 1 && events[0].data.u64 == 0x123456789abcdef0 && events[0].events == EPOLLIN);
    YES(epoll_wait(set, events, 10, 0) == 1);
    event.events = EPOLLIN | EPOLLET;
    YES(epoll_ctl(set, EPOLL_CTL_MOD, ends[0], &event) == 0);
    YES(epoll_wait(set, events, 10, 0) == 1 && epoll_wait(set, events, 10, 0) == 0);
    event.events = EPOLLIN | EPOLLONESHOT;
    YES(epoll_ctl(set, EPOLL_CTL_MOD, ends[0], &event) == 0);
    YES(epoll_wait(set, events, 10, 0) == 1);
    CHECK(write(ends[1], "c", 1) == 1);
    YES(epoll_wait(set, events, 10, 0) == 0);
    YES(epoll_ctl(set, EPOLL_CTL_DEL, ends[0], NULL) == 0);
    int counters[100];
    for (int i = 0; i < 100; i++) {
        counters[i] = eventfd(i % 2, EFD_NONBLOCK);
        event = (struct epoll_event){.events = EPOLLIN, .data.u32 = (uint32_t)i};
        CHECK(epoll_ctl(set, EPOLL_CTL_ADD, counters[i], &event) == 0);
    }
    fill(memory + 2 * MIB, 22 * MIB, 2);
    int count = epoll_pwait(set, events, 100, 1000, NULL), sum = 0;
    for (int i = 0; i < count; i++)
        sum += (int)events[i].data.u32;
    SHOW(count);
    SHOW(sum);
    int outer = epoll_create1(0);
    event.events = EPOLLIN;
    YES(epoll_ctl(outer, EPOLL_CTL_ADD, set, &event) == 0 && epoll_wait(outer, events, 1, 0) == 1);
    YES(FAILS(epoll_wait(set, nowhere, 1, 0), EFAULT));
    YES(FAILS(epoll_wait(set, events, 0, 0), EINVAL));
    return failed;
}
