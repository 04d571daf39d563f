/* SIGBUS beyond the end of a mapped file; the handler lengthens the file and the access goes on. */
#include "conformance.h"

static int fd;
static char *map;
static volatile int faults, code;
static volatile bool where;
static void lengthen(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    faults++;
    code = info->si_code;
    where = (char *)info->si_addr == map + 2 * PAGE + 17;
    CHECK(ftruncate(fd, 4 * PAGE) == 0);
}

int main(void) {
    fd = scratch_file();
    CHECK(write(fd, "abc", 3) == 3);
    map = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    on_signal_info(SIGBUS, lengthen, 0);
    YES(map[1] == 'b' && map[3] == 0 && map[PAGE - 1] == 0);
    map[2 * PAGE + 17] = 'q';
    YES(faults == 1 && code == BUS_ADRERR && where);
    char byte;
    YES(pread(fd, &byte, 1, 2 * PAGE + 17) == 1 && byte == 'q');
    CHECK(ftruncate(fd, 3) == 0);
    int ends[2];
    CHECK(pipe(ends) == 0);
    YES(FAILS(write(ends[1], map + PAGE, 1), EFAULT) && faults == 1);
    YES(map[0] == 'a' && map[2] == 'c');
    return failed;
}
