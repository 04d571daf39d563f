/* MAP_FIXED over parts of mappings, holes, MAP_FIXED_NOREPLACE, and neighbours that stay as they were. */
#include "conformance.h"

#define PAGES 512ul

int main(void) {
    char *at = anonymous(PAGES * PAGE), first = 0;
    fill(at, PAGES * PAGE, 3);
    size_t wrong = 0, not_zero = 0;
    for (size_t i = 1; i < PAGES; i += 3)
        CHECK(mmap(at + i * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at + i * PAGE);
    for (size_t i = 0; i < PAGES; i++) {
        if (i % 3 == 1)
            not_zero += at[i * PAGE + i] != 0;
        else
            wrong += spoilt(at + i * PAGE, PAGE, 3 + i * PAGE / 8);
    }
    YES(wrong == 0 && not_zero == 0);
    YES(FAILS(mmap(at + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), EEXIST));
    for (size_t i = 2; i < PAGES; i += 3)
        CHECK(munmap(at + i * PAGE, PAGE) == 0);
    unsigned char resident;
    YES(FAILS(mincore(at + 2 * PAGE, PAGE, &resident), ENOMEM));
    YES(munmap(at + 2 * PAGE, PAGE) == 0);
    char *hole = mmap(at + 5 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    YES(hole == at + 5 * PAGE && hole[0] == 0);
    int fd = open("/proc/self/exe", O_RDONLY);
    CHECK(read(fd, &first, 1) == 1);
    char *exe = mmap(at + 9 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
    YES(exe == at + 9 * PAGE && exe[0] == first && exe[1] == 'E');
    wrong = 0;
    for (size_t i = 0; i < PAGES; i += 3)
        wrong += i != 9 && spoilt(at + i * PAGE, PAGE, 3 + i * PAGE / 8);
    YES(wrong == 0);
    YES(FAILS(mmap(at + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL));
    YES(munmap(at, PAGES * PAGE) == 0);
    return failed;
}
