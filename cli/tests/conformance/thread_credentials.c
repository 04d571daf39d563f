/* Calls that the C library makes in every thread (setgid and the like), and membarrier. */
#include "conformance.h"
#include <linux/membarrier.h>

static atomic_int done;
static void *wait_it(void *with) { (void)with; while (!done) nap_ms(1); return (void *)(uintptr_t)getgid(); }

int main(void) {
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        thread[i] = thread_of(wait_it, NULL);
    YES(setgid(getgid()) == 0 && setuid(getuid()) == 0);
    YES(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) >= 0);
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0)
        YES(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
    done = 1;
    for (int i = 0; i < 4; i++)
        YES((uintptr_t)joined(thread[i]) == getgid());
    return failed;
}
