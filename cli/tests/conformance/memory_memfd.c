/* Shared memory by memfd and shm_open: two views of the same bytes, seals, sizes. */
#include "conformance.h"

int main(void) {
    int fd = memfd_create("pages", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    YES(fd >= 0 && ftruncate(fd, 2 * MIB) == 0);
    char *one = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *two = mmap(NULL, MIB, PROT_READ, MAP_SHARED, fd, MIB);
    fill(one, 2 * MIB, 1);
    YES(spoilt(two, MIB, 1 + MIB / 8) == 0);
    char *own = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    own[5] = 'x';
    YES(one[5] != 'x' && own[5] == 'x');
    YES(pwrite(fd, "hello", 5, MIB) == 5 && memcmp(two, "hello", 5) == 0);
    YES(FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY));
    YES(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0 && FAILS(ftruncate(fd, PAGE), EPERM));
    YES(fcntl(fd, F_GET_SEALS) == F_SEAL_SHRINK);
    char name[64];
    snprintf(name, sizeof name, "/conformance-%d", getpid());
    int posix = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    YES(posix >= 0 && shm_unlink(name) == 0 && ftruncate(posix, PAGE) == 0);
    char *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, posix, 0);
    strcpy(map, "posix");
    char text[8] = "";
    YES(pread(posix, text, 6, 0) == 6 && strcmp(text, "posix") == 0);
    return failed;
}
