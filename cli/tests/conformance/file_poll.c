/* poll, ppoll, select: ready, not ready, errors, with arrays that lie in paged memory. */
#include "conformance.h"
#include <poll.h>
#include <sys/select.h>

int main(void) {
    struct pollfd *volatile nowhere = (struct pollfd *)8;
    int ends[20][2];
    char *memory = anonymous(24 * MIB);
    struct pollfd *list = (struct pollfd *)(memory + 3 * MIB - 64);
    for (int i = 0; i < 20; i++) {
        CHECK(pipe(ends[i]) == 0);
        list[i] = (struct pollfd){.fd = ends[i][0], .events = POLLIN};
    }
    fill(memory + 4 * MIB, 20 * MIB, 1);
    YES(poll(list, 20, 0) == 0);
    for (int i = 0; i < 20; i += 3)
        CHECK(write(ends[i][1], "x", 1) == 1);
    fill(memory + 4 * MIB, 20 * MIB, 2);
    YES(poll(list, 20, 1000) == 7 && list[0].revents == POLLIN && list[1].revents == 0 && list[18].revents == POLLIN);
    close(ends[1][1]);
    list[2].fd = 900;
    list[4].fd = -1;
    YES(poll(list, 20, 1000) == 9 && list[1].revents == POLLHUP && list[2].revents == POLLNVAL);
    struct timespec little = {0, 20000000};
    long before = now_ms();
    YES(ppoll(list + 4, 2, &little, NULL) == 0 && now_ms() - before >= 19);
    fd_set *set = (fd_set *)(memory + MIB);
    struct timeval *limit = (struct timeval *)(memory + 2 * MIB);
    *limit = (struct timeval){5, 0};
    FD_ZERO(set);
    FD_SET(ends[3][0], set);
    FD_SET(ends[5][0], set);
    fill(memory + 4 * MIB, 20 * MIB, 3);
    YES(select(ends[19][1] + 1, set, NULL, NULL, limit) == 1);
    YES(FD_ISSET(ends[3][0], set) && !FD_ISSET(ends[5][0], set) && (limit->tv_sec == 4 || limit->tv_sec == 5));
    FD_ZERO(set);
    FD_SET(ends[1][1], set);
    YES(FAILS(select(ends[1][1] + 1, set, NULL, NULL, limit), EBADF));
    YES(FAILS(poll(nowhere, 1, 0), EFAULT));
    return failed;
}
