/* System V shared memory: attach twice, see the same bytes, detach, remove. */
#include "conformance.h"
#include <sys/shm.h>

int main(void) {
    int id = shmget(IPC_PRIVATE, MIB, IPC_CREAT | 0600);
    YES(id >= 0);
    char *one = shmat(id, NULL, 0), *two = shmat(id, NULL, SHM_RDONLY);
    shmctl(id, IPC_RMID, NULL);
    YES(one != (void *)-1 && two != (void *)-1 && one != two);
    if (one == (void *)-1 || two == (void *)-1)
        return 1;
    fill(one, MIB, 3);
    YES(spoilt(two, MIB, 3) == 0);
    YES(shmdt(one) == 0 && shmdt(two) == 0 && FAILS(shmdt(two), EINVAL));
    return failed;
}
