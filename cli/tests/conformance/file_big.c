/* Reads and writes larger than the budget in one call; unaligned offsets and addresses; stdio. */
#include "conformance.h"

#define BYTES (24 * MIB)

int main(void) {
    char *memory = anonymous(2 * BYTES), *back = memory + BYTES;
    int fd = scratch_file();
    fill(memory, BYTES, 1);
    YES(write(fd, memory, BYTES) == (ssize_t)BYTES);
    YES(pread(fd, back, BYTES, 0) == (ssize_t)BYTES && spoilt(back, BYTES, 1) == 0);
    memset(back, 0, BYTES);
    YES(pread(fd, back + 8, BYTES, 8) == (ssize_t)BYTES - 8 && spoilt(back + 8, BYTES - 8, 2) == 0);
    YES(lseek(fd, 3, SEEK_SET) == 3 && read(fd, back, 2 * MIB + 1) == 2 * (ssize_t)MIB + 1);
    YES(memcmp(back, memory + 3, 2 * MIB + 1) == 0);
    FILE *file = fdopen(fd, "r+");
    rewind(file);
    YES(fread(back, 1, BYTES, file) == BYTES && spoilt(back, BYTES, 1) == 0);
    YES(fseek(file, 100, SEEK_SET) == 0 && fwrite(memory, 1, 10 * MIB, file) == 10 * MIB && fflush(file) == 0);
    YES(pread(fd, back, 10 * MIB, 100) == 10 * (ssize_t)MIB && spoilt(back, 10 * MIB, 1) == 0);
    return failed;
}
