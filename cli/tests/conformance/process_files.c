/* File descriptors over fork and exec: inherited, close-on-exec, offsets that are shared, locks that are not. */
#include "conformance.h"

static int fd, closing;
static int moves(void *with) { (void)with; return (int)lseek(fd, 10, SEEK_CUR); }
static int closes(void *with) { (void)with; return close(fd); }
static int locked(void *with) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)with;
    return FAILS(fcntl(fd, F_SETLK, &lock), EAGAIN) ? 3 : 1;
}
static int looks(void *with) {
    char text[64];
    (void)with;
    snprintf(text, sizeof text, "test -e /proc/self/fd/%d && test ! -e /proc/self/fd/%d", fd, closing);
    execl("/bin/sh", "sh", "-c", text, NULL);
    return 127;
}

int main(void) {
    fd = scratch_file();
    CHECK(write(fd, "0123456789012345678901234567890", 31) == 31 && lseek(fd, 0, SEEK_SET) == 0);
    SHOW(ended(child_of(moves, NULL)));
    SHOW(lseek(fd, 0, SEEK_CUR));
    YES(ended(child_of(closes, NULL)) == 0 && fcntl(fd, F_GETFD) == 0);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    YES(fcntl(fd, F_SETLK, &lock) == 0);
    SHOW(ended(child_of(locked, NULL)));
    closing = fcntl(fd, F_DUPFD_CLOEXEC, 20);
    YES(closing >= 20 && fcntl(closing, F_GETFD) == FD_CLOEXEC);
    fd = fcntl(fd, F_DUPFD, 30);
    SHOW(ended(child_of(looks, NULL)));
    return failed;
}
