/* SIGSEGV handlers in several threads at once; each gets its own address and stack. */
#include "conformance.h"

static __thread char *pages;
static __thread volatile size_t caught, strange;
static void open_page(int signal, siginfo_t *info, void *context) {
    char here;
    (void)signal, (void)context, (void)here;
    char *page = (char *)((uintptr_t)info->si_addr & ~(PAGE - 1));
    strange += page < pages || page >= pages + 512 * PAGE;
    caught++;
    CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
}
static void *work(void *with) {
    pages = mmap(NULL, 512 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    for (size_t i = 0; i < 512; i++)
        fill(pages + i * PAGE, PAGE, i + (size_t)with);
    size_t wrong = strange + (caught != 512);
    for (size_t i = 0; i < 512; i++)
        wrong += spoilt(pages + i * PAGE, PAGE, i + (size_t)with);
    return (void *)wrong;
}

int main(void) {
    pthread_t thread[6];
    on_signal_info(SIGSEGV, open_page, 0);
    for (size_t i = 0; i < 6; i++)
        thread[i] = thread_of(work, (void *)(i * 1000));
    for (size_t i = 0; i < 6; i++)
        YES(joined(thread[i]) == NULL);
    return failed;
}
