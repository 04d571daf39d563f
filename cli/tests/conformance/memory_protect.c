/* mprotect: split, none, back again with contents, errors; system calls respect it too. */
#include "conformance.h"
#include <setjmp.h>

static sigjmp_buf out;
static volatile int code;
static void leave(int signal, siginfo_t *info, void *context) { (void)signal, (void)context; code = info->si_code; siglongjmp(out, 1); }
static bool reads(volatile char *at) { return sigsetjmp(out, 1) == 0 && (*at, true); }
static bool writes(volatile char *at) { return sigsetjmp(out, 1) == 0 && (*at = *at, true); }

int main(void) {
    char *at = anonymous(24 * MIB);
    int zero = open("/dev/zero", O_RDONLY), ends[2];
    CHECK(pipe(ends) == 0);
    on_signal_info(SIGSEGV, leave, 0);
    fill(at, 24 * MIB, 4);
    for (size_t i = 0; i < 24; i++)
        CHECK(mprotect(at + i * MIB, MIB, i % 3 == 0 ? PROT_NONE : i % 3 == 1 ? PROT_READ : PROT_READ | PROT_WRITE) == 0);
    int readable = 0, writable = 0;
    for (size_t i = 0; i < 24; i++) {
        readable += reads(at + i * MIB + 8 * i);
        writable += writes(at + i * MIB + 8 * i);
    }
    SHOW(readable);
    SHOW(writable);
    YES(FAILS(write(ends[1], at, 10), EFAULT));
    YES(FAILS(read(zero, at + MIB, 10), EFAULT));
    YES(write(ends[1], at + MIB, 10) == 10 && read(zero, at + 2 * MIB - 5, 10) == -1 && errno == EFAULT);
    YES(read(ends[0], at + 2 * MIB, 100) == 10);
    fill(at + 2 * MIB, 16, 4 + 2 * MIB / 8);
    CHECK(mprotect(at, 24 * MIB, PROT_READ) == 0);
    YES(spoilt(at, 24 * MIB, 4) == 0);
    YES(!writes(at) && code == SEGV_ACCERR);
    YES(FAILS(mprotect(at + 1, PAGE, PROT_READ), EINVAL));
    munmap(at + MIB, PAGE);
    YES(FAILS(mprotect(at, 2 * MIB, PROT_READ | PROT_WRITE), ENOMEM) && writes(at));
    YES(!reads(at + MIB) && code == SEGV_MAPERR);
    int fd = open("/proc/self/exe", O_RDONLY);
    char *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    YES(map != MAP_FAILED && FAILS(mprotect(map, PAGE, PROT_READ | PROT_WRITE), EACCES));
    return failed;
}
