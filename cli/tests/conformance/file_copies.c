/* sendfile, copy_file_range, splice, tee and vmsplice move bytes between files and pipes. */
#include "conformance.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

#define BYTES (4 * MIB)

int main(void) {
    char *memory = anonymous(24 * MIB), *back = memory + 12 * MIB;
    int from = scratch_file(), to = scratch_file(), ends[2], more[2];
    CHECK(pipe(ends) == 0 && pipe(more) == 0);
    fill(memory, BYTES, 1);
    CHECK(pwrite(from, memory, BYTES, 0) == (ssize_t)BYTES);
    off_t *at = (off_t *)(memory + 10 * MIB);
    *at = 0;
    while (*at < (off_t)BYTES)
        CHECK(sendfile(to, from, at, BYTES) > 0);
    YES(pread(to, back, BYTES, 0) == (ssize_t)BYTES && spoilt(back, BYTES, 1) == 0 && lseek(from, 0, SEEK_CUR) == 0);
    CHECK(ftruncate(to, 0) == 0);
    off_t in = MIB, out = 0;
    ssize_t copied = copy_file_range(from, &in, to, &out, MIB, 0);
    YES(copied > 0 && in == (off_t)MIB + copied && out == copied);
    YES(pread(to, back, (size_t)copied, 0) == copied && spoilt(back, (size_t)copied & ~7ul, 1 + MIB / 8) == 0);
    CHECK(ftruncate(to, 0) == 0 && lseek(to, 0, SEEK_SET) == 0);
    in = 0;
    while (in < (off_t)BYTES) {
        ssize_t part = splice(from, &in, ends[1], NULL, 65536, 0);
        CHECK(part > 0);
        for (ssize_t done = 0; done < part;) {
            ssize_t now = splice(ends[0], NULL, to, NULL, (size_t)(part - done), 0);
            CHECK(now > 0);
            done += now;
        }
    }
    YES(pread(to, back, BYTES, 0) == (ssize_t)BYTES && spoilt(back, BYTES, 1) == 0);
    CHECK(write(ends[1], "twice", 5) == 5);
    YES(tee(ends[0], more[1], 5, 0) == 5);
    memset(back, 0, 16);
    YES(read(ends[0], back, 5) == 5 && read(more[0], back + 5, 5) == 5 && strcmp(back, "twicetwice") == 0);
    struct iovec part = {memory + MIB, 8192};
    YES(vmsplice(ends[1], &part, 1, 0) == 8192);
    YES(read(ends[0], back, 8192) == 8192 && spoilt(back, 8192, 1 + MIB / 8) == 0);
    YES(FAILS(splice(from, NULL, to, NULL, 10, 0), EINVAL));
    return failed;
}
