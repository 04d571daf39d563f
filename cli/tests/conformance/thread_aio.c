/* POSIX asynchronous input and output, which the C library does with threads. */
#include "conformance.h"
#include <aio.h>

int main(void) {
    char *memory = anonymous(24 * MIB);
    int fd = scratch_file();
    struct aiocb writes[4] = {0}, *list[4];
    fill(memory, 4 * MIB, 1);
    for (int i = 0; i < 4; i++) {
        writes[i] = (struct aiocb){.aio_fildes = fd, .aio_offset = (off_t)((size_t)i * MIB), .aio_buf = memory + (size_t)i * MIB,
                                   .aio_nbytes = MIB, .aio_lio_opcode = LIO_WRITE};
        list[i] = &writes[i];
    }
    YES(lio_listio(LIO_WAIT, list, 4, NULL) == 0);
    for (int i = 0; i < 4; i++)
        YES(aio_error(&writes[i]) == 0 && aio_return(&writes[i]) == (ssize_t)MIB);
    struct aiocb reads = {.aio_fildes = fd, .aio_buf = memory + 8 * MIB, .aio_nbytes = 4 * MIB};
    const struct aiocb *const one[] = {&reads};
    YES(aio_read(&reads) == 0);
    while (aio_error(&reads) == EINPROGRESS)
        aio_suspend(one, 1, NULL);
    YES(aio_return(&reads) == 4 * (ssize_t)MIB && spoilt(memory + 8 * MIB, 4 * MIB, 1) == 0);
    return failed;
}
