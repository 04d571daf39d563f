/* A handler may do all that is safe in handlers: touch paged memory, map, unmap, read files, and send itself more signals. */
#include "conformance.h"

#define BYTES (24 * MIB)
static char *memory;
static volatile size_t wrong;
static volatile int rounds;
static void work(int signal) {
    (void)signal;
    char text[16] = "";
    char *more = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fill(more, MIB, 9);
    wrong += spoilt(memory + (size_t)rounds % 24 * MIB, MIB, (size_t)rounds % 24);
    wrong += spoilt(more, MIB, 9);
    munmap(more, MIB);
    int fd = open("/proc/self/comm", O_RDONLY);
    wrong += read(fd, text, sizeof text) < 2;
    close(fd);
    if (++rounds % 10 != 0)
        raise(SIGUSR2);
}

int main(void) {
    memory = anonymous(BYTES);
    for (size_t i = 0; i < 24; i++)
        fill(memory + i * MIB, MIB, i);
    on_signal(SIGUSR1, work, 0);
    on_signal(SIGUSR2, work, SA_NODEFER);
    while (rounds < 50)
        raise(SIGUSR1);
    SHOW(rounds);
    YES(wrong == 0);
    return failed;
}
