/* What the C library finds out about the main stack, and a mapping that grows downwards. */
#include "conformance.h"
#include <sys/resource.h>

int main(void) {
    pthread_attr_t attributes;
    void *base;
    size_t size;
    char here;
    struct rlimit limit;
    YES(pthread_getattr_np(pthread_self(), &attributes) == 0);
    YES(pthread_attr_getstack(&attributes, &base, &size) == 0);
    YES(&here > (char *)base && &here < (char *)base + size);
    YES(getrlimit(RLIMIT_STACK, &limit) == 0);
    YES(limit.rlim_cur == RLIM_INFINITY || (size <= limit.rlim_cur && size > limit.rlim_cur / 2));
    bool found = false;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from <= (uintptr_t)&here && (uintptr_t)&here < to)
            found = true;
    }
    YES(found);
    char *room = anonymous(64 * PAGE);
    munmap(room, 64 * PAGE);
    char *down = mmap(room + 62 * PAGE, PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
    YES(down == room + 62 * PAGE);
    for (int i = 0; i < 20; i++)
        down[-i * (long)PAGE] = (char)(i + 1);
    YES(down[0] == 1 && down[-19 * (long)PAGE] == 20);
    return failed;
}
