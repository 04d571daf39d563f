/* Code made at run time: written, made executable, run, changed, moved; pages without PROT_EXEC do not run. */
#include "conformance.h"
#include <setjmp.h>

static sigjmp_buf out;
static void leave(int signal) { siglongjmp(out, signal); }
static void put(unsigned char *at, int value) {
    memcpy(at, "\xb8----\xc3", 6); /* mov $value, %eax; ret */
    memcpy(at + 1, &value, 4);
}
typedef int (*function)(void);

int main(void) {
    on_signal(SIGSEGV, leave, 0);
    unsigned char *code = anonymous(4096 * PAGE);
    long sum = 0;
    for (int i = 0; i < 4096; i++)
        put(code + (size_t)i * PAGE + (size_t)i % 64, i);
    CHECK(mprotect(code, 4096 * PAGE, PROT_READ | PROT_EXEC) == 0);
    for (int i = 0; i < 4096; i++)
        sum += ((function)(code + (size_t)i * PAGE + (size_t)i % 64))();
    SHOW(sum);
    CHECK(mprotect(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    sum = 0;
    for (int i = 0; i < 1000; i++) {
        put(code, i);
        sum += ((function)code)();
    }
    SHOW(sum);
    unsigned char *data = anonymous(PAGE);
    put(data, 5);
    int refused = sigsetjmp(out, 1);
    if (!refused)
        ((function)data)();
    YES(refused == SIGSEGV);
    unsigned char *both = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    put(both, 77);
    YES(((function)both)() == 77);
    /* Two views of one file: written in one, run in the other. */
    int fd = memfd_create("code", 0);
    CHECK(ftruncate(fd, PAGE) == 0);
    unsigned char *view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unsigned char *runs = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    put(view, 88);
    YES(((function)runs)() == 88);
    return failed;
}
