/* mlock, mlockall, and hints about large pages are accepted; contents stay. */
#include "conformance.h"
#include <sys/prctl.h>

int main(void) {
    char *at = anonymous(4 * MIB);
    fill(at, 4 * MIB, 1);
    YES(mlock(at, 16 * PAGE) == 0 && munlock(at, 16 * PAGE) == 0);
    YES(madvise(at, 4 * MIB, MADV_HUGEPAGE) == 0 && madvise(at, 4 * MIB, MADV_NOHUGEPAGE) == 0);
    YES(mlockall(MCL_CURRENT) == 0 && munlockall() == 0);
    YES(FAILS(mlock((void *)PAGE, PAGE), ENOMEM));
    YES(msync(at, PAGE, MS_SYNC) == 0 && msync(at, PAGE, MS_ASYNC) == 0);
    char *populated = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
    YES(populated != MAP_FAILED && populated[MIB - 1] == 0);
    YES(spoilt(at, 4 * MIB, 1) == 0);
    return failed;
}
