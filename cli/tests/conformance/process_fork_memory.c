/* fork copies three times the budget, with pages that were evicted; both sides write, neither sees the other. */
#include "conformance.h"

#define BYTES (24 * MIB)
static char *memory;
static int child(void *with) {
    size_t wrong = spoilt(memory, BYTES, 1);
    (void)with;
    fill(memory, BYTES, 2);
    wrong += spoilt(memory, BYTES, 2);
    return wrong == 0 ? 7 : 1;
}

int main(void) {
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
    return failed;
}
