/* vfork: the parent waits until the child has called exec or _exit, and sees what the child wrote. */
#include "conformance.h"

int main(void) {
    volatile int changed = 0;
    char *memory = anonymous(24 * MIB);
    fill(memory, 24 * MIB, 1);
    pid_t child = vfork();
    if (child == 0) {
        changed = 5;
        _exit(9);
    }
    YES(child > 0 && changed == 5);
    SHOW(ended(child));
    for (volatile int i = 0; i < 10; i++) {
        child = vfork();
        if (child == 0) {
            execl("/bin/sh", "sh", "-c", "exit 3", NULL);
            _exit(127);
        }
        changed += ended(child);
    }
    SHOW(changed);
    child = vfork();
    if (child == 0) {
        execl("/nowhere", "nowhere", NULL);
        changed = errno;
        _exit(127);
    }
    YES(ended(child) == 127 && changed == ENOENT);
    YES(spoilt(memory, 24 * MIB, 1) == 0);
    return failed;
}
