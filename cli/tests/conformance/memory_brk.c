/* brk and sbrk: grow by more than the budget, shrink, zeroes after growing again. */
#include "conformance.h"

int main(void) {
    char *start = sbrk(0);
    YES(start != (void *)-1);
    char *end = (char *)(((uintptr_t)start + PAGE - 1) & ~(PAGE - 1));
    YES(brk(end + 24 * MIB) == 0 && sbrk(0) == end + 24 * MIB);
    fill(end, 24 * MIB, 6);
    YES(spoilt(end, 24 * MIB, 6) == 0);
    YES(brk(end + MIB) == 0);
    unsigned char resident;
    YES(FAILS(mincore(end + 2 * MIB, PAGE, &resident), ENOMEM));
    YES(brk(end + 3 * MIB) == 0 && spoilt(end, MIB, 6) == 0);
    size_t not_zero = 0;
    for (size_t i = MIB; i < 3 * MIB; i += 8)
        not_zero += *(uint64_t *)(end + i) != 0;
    YES(not_zero == 0);
    YES(brk(end + 1234) == 0 && sbrk(0) == end + 1234);
    YES(FAILS(brk(end + (1ul << 46)), ENOMEM) && sbrk(0) == end + 1234);
    YES(brk(start) == 0 && sbrk(0) == start);
    return failed;
}
