/* futex(2) itself: wait and wake, wrong values, time limits, requeue, bit sets, over pages that were evicted. */
#include "conformance.h"
#include <linux/futex.h>

static _Atomic int *word, *other;
static atomic_int waiting, woken;
static long futex(_Atomic int *at, int op, int value, void *limit, void *second, int third) {
    return syscall(SYS_futex, at, op, value, limit, second, third);
}
static void *wait_here(void *with) {
    int bits = (int)(uintptr_t)with;
    waiting++;
    while (*word == 0) {
        if (bits == 0)
            futex(word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
        else
            futex(word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, bits);
        if (*other)
            break;
    }
    woken++;
    return NULL;
}

int main(void) {
    char *memory = anonymous(24 * MIB);
    pthread_t thread[6];
    word = (_Atomic int *)(memory + 100);
    other = (_Atomic int *)(memory + 12 * MIB);
    struct timespec little = {0, 20000000};
    YES(FAILS(futex(word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0), EAGAIN));
    YES(FAILS(futex(word, FUTEX_WAIT_PRIVATE, 0, &little, NULL, 0), ETIMEDOUT));
    YES(FAILS(futex((_Atomic int *)1, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EINVAL));
    YES(FAILS(futex((_Atomic int *)8, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EFAULT));
    for (uintptr_t i = 0; i < 6; i++)
        thread[i] = thread_of(wait_here, (void *)(i == 5 ? (uintptr_t)4 : 0));
    WAIT_FOR(waiting == 6);
    nap_ms(30);
    fill(memory + MIB, 10 * MIB, 1);
    fill(memory + 13 * MIB, 11 * MIB, 1);
    YES(futex(word, FUTEX_WAKE_BITSET_PRIVATE, 100, NULL, NULL, 2) <= 5);
    nap_ms(20);
    /* Those with all bits woke and wait again. One is woken, the others move to the other word. */
    *other = 0;
    long moved = 0;
    WAIT_FOR((moved += futex(word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)100, (void *)other, 0)) >= 6);
    YES(moved == 6);
    YES(futex(word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0) == 0);
    *other = 1;
    YES(futex(other, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0) == 6);
    for (int i = 0; i < 6; i++)
        joined(thread[i]);
    SHOW(woken);
    return failed;
}
