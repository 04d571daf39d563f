/* fork copies three times the budget, with pages that were evicted; both sides write, neither sees the other; what madvise keeps from children. */
#include "conformance.h"

#define BYTES (24 * MIB)
static char *memory, *secret;
static bool wiped;
static int child(void *with) {
    size_t wrong = spoilt(memory, BYTES, 1);
    (void)with;
    fill(memory, BYTES, 2);
    wrong += spoilt(memory, BYTES, 2);
    if (wiped)
        wrong += secret[0] != 0;
    return wrong == 0 ? 7 : 1;
}

int main(void) {
    /* Before there is more memory than the budget. The first is not looked at in a child; natively it is not there. */
    char *kept = anonymous(64 * PAGE);
    fill(kept, 64 * PAGE, 5);
    YES(madvise(kept, 64 * PAGE, MADV_DONTFORK) == 0);
    secret = anonymous(PAGE);
    secret[0] = 1;
    wiped = madvise(secret, PAGE, MADV_WIPEONFORK) == 0;
    YES(FAILS(madvise(kept + 1, PAGE, MADV_DONTFORK), EINVAL));
    memory = anonymous(BYTES);
    fill(memory, BYTES, 1);
    pid_t first = child_of(child, NULL);
    YES(spoilt(memory, BYTES, 1) == 0);
    fill(memory, BYTES / 2, 3);
    pid_t second = fork();
    if (second == 0)
        _exit(spoilt(memory, BYTES / 2, 3) == 0 && spoilt(memory + BYTES / 2, BYTES / 2, 1 + BYTES / 16) == 0 ? 8 : 1);
    fill(memory, BYTES, 4);
    SHOW(ended(first));
    SHOW(ended(second));
    YES(spoilt(memory, BYTES, 4) == 0);
    YES(spoilt(kept, 64 * PAGE, 5) == 0 && secret[0] == 1);
    YES(madvise(kept, 64 * PAGE, MADV_DOFORK) == 0);
    return failed;
}
