/* mremap: grow, shrink, move, fixed, keep the old place, over holes, and with errors; contents stay. */
#include "conformance.h"

#define BYTES (16 * MIB)

int main(void) {
    char *at = anonymous(BYTES);
    fill(at, BYTES, 1);
    char *fence = mmap(at + BYTES, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    YES(FAILS(mremap(at, BYTES, 2 * BYTES, 0), ENOMEM) || fence == MAP_FAILED);
    char *moved = mremap(at, BYTES, BYTES + 8 * MIB, MREMAP_MAYMOVE);
    YES(moved != MAP_FAILED && spoilt(moved, BYTES, 1) == 0);
    size_t sum = 0;
    for (size_t i = BYTES; i < BYTES + 8 * MIB; i += 512)
        sum += (unsigned char)moved[i];
    YES(sum == 0);
    YES(mremap(moved, BYTES + 8 * MIB, BYTES, 0) == moved && spoilt(moved, BYTES, 1) == 0);
    unsigned char resident;
    YES(FAILS(mincore(moved + BYTES, PAGE, &resident), ENOMEM));
    char *place = anonymous(BYTES + 2 * PAGE);
    memset(place, 7, PAGE);
    char *fixed = mremap(moved, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, place + PAGE);
    YES(fixed == place + PAGE && spoilt(fixed, BYTES, 1) == 0 && place[0] == 7);
    YES(FAILS(mincore(moved, PAGE, &resident), ENOMEM));
    char *kept = mremap(fixed, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    YES(kept != MAP_FAILED && kept != fixed && spoilt(kept, BYTES, 1) == 0);
    YES(fixed[0] == 0 && fixed[BYTES - 1] == 0);
    char *part = mremap(kept + 4 * MIB, MIB, 2 * MIB, MREMAP_MAYMOVE);
    YES(part != MAP_FAILED && spoilt(part, MIB, 4 * MIB / 8 + 1) == 0 && spoilt(kept, 4 * MIB, 1) == 0);
    YES(FAILS(mincore(kept + 4 * MIB, PAGE, &resident), ENOMEM));
    YES(FAILS(mremap(kept, 8 * MIB, 9 * MIB, MREMAP_MAYMOVE), EFAULT));
    YES(FAILS(mremap(kept + 1, MIB, MIB, 0), EINVAL));
    YES(FAILS(mremap(kept, MIB, 0, 0), EINVAL));
    YES(FAILS(mremap(kept, MIB, MIB, 64), EINVAL));
    YES(FAILS(mremap(kept, MIB, MIB, MREMAP_MAYMOVE | MREMAP_FIXED, kept + PAGE), EINVAL));
    YES(FAILS(mremap((void *)(16 * PAGE), MIB, 2 * MIB, MREMAP_MAYMOVE), EFAULT));
    return failed;
}
