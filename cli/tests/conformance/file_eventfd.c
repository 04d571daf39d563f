/* eventfd and timerfd: counters, semaphores, expirations, absolute times. */
#include "conformance.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

int main(void) {
    uint64_t *value = anonymous(24 * MIB);
    int fd = eventfd(3, EFD_NONBLOCK);
    YES(read(fd, value, 8) == 8 && *value == 3);
    YES(FAILS(read(fd, value, 8), EAGAIN));
    *value = 5;
    YES(write(fd, value, 8) == 8 && write(fd, value, 8) == 8 && read(fd, value, 8) == 8 && *value == 10);
    *value = ~0ul;
    YES(FAILS(write(fd, value, 8), EINVAL) && FAILS(read(fd, value, 4), EINVAL));
    int semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    YES(read(semaphore, value, 8) == 8 && *value == 1 && read(semaphore, value, 8) == 8);
    YES(FAILS(read(semaphore, value, 8), EAGAIN));
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec times = {{0, 5000000}, {0, 5000000}}, left;
    struct pollfd one = {.fd = timer, .events = POLLIN};
    YES(poll(&one, 1, 0) == 0 && timerfd_settime(timer, 0, &times, NULL) == 0);
    YES(poll(&one, 1, 1000) == 1);
    nap_ms(30);
    fill(value + 512, 20 * MIB, 1);
    YES(read(timer, value, 8) == 8 && *value >= 4);
    YES(timerfd_gettime(timer, &left) == 0 && left.it_interval.tv_nsec == 5000000);
    clock_gettime(CLOCK_MONOTONIC, &times.it_value);
    times.it_value.tv_sec -= 1;
    times.it_interval = (struct timespec){0, 0};
    YES(timerfd_settime(timer, TFD_TIMER_ABSTIME, &times, &left) == 0 && read(timer, value, 8) == 8 && *value == 1);
    return failed;
}
