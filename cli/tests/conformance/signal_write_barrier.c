/* A garbage collector's write barrier: pages are made read-only, the handler of SIGSEGV notes the page and opens it. */
#include "conformance.h"

#define PAGES 6144ul
static char *heap, *dirty;
static volatile size_t caught, strange;
static void barrier(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    size_t page = (size_t)((char *)info->si_addr - heap) / PAGE;
    if (page >= PAGES || dirty[page] || info->si_code != SEGV_ACCERR) {
        strange++;
        _exit(3);
    }
    dirty[page] = 1;
    caught++;
    CHECK(mprotect(heap + page * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
}

int main(void) {
    heap = anonymous(PAGES * PAGE);
    dirty = anonymous(PAGES);
    on_signal_info(SIGSEGV, barrier, 0);
    fill(heap, PAGES * PAGE, 5);
    for (int round = 0; round < 3; round++) {
        uint64_t state = (uint64_t)round;
        memset(dirty, 0, PAGES);
        caught = 0;
        CHECK(mprotect(heap, PAGES * PAGE, PROT_READ) == 0);
        CHECK(spoilt(heap, PAGES * PAGE, 5) == 0);
        for (int i = 0; i < 3000; i++) {
            uint64_t *word = (uint64_t *)heap + next_random(&state) % (PAGES * PAGE / 8);
            *word += 0; /* a write of what is there */
        }
        size_t marked = 0;
        for (size_t i = 0; i < PAGES; i++)
            marked += (size_t)dirty[i];
        printf("round %d: %zu pages caught\n", round, caught);
        YES(marked == caught && strange == 0);
        CHECK(mprotect(heap, PAGES * PAGE, PROT_READ | PROT_WRITE) == 0);
    }
    YES(spoilt(heap, PAGES * PAGE, 5) == 0);
    return failed;
}
