/* mincore: errors, and resident pages after a touch. */
#include "conformance.h"

int main(void) {
    unsigned char resident[16];
    char *at = anonymous(16 * PAGE);
    memset(at, 1, 16 * PAGE);
    memset(resident, 0, sizeof resident);
    YES(mincore(at, 16 * PAGE, resident) == 0);
    int pages = 0;
    for (int i = 0; i < 16; i++)
        pages += resident[i] & 1;
    SHOW(pages);
    YES(FAILS(mincore(at + 1, PAGE, resident), EINVAL));
    YES(mincore(at, 0, resident) == 0);
    YES(FAILS(mincore(at, PAGE, (unsigned char *)1), EFAULT));
    munmap(at + 5 * PAGE, PAGE);
    YES(FAILS(mincore(at, 16 * PAGE, resident), ENOMEM));
    return failed;
}
