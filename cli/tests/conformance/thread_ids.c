/* Thread ids differ, the process id does not; /proc/self/task lists the threads; times of threads count. */
#include "conformance.h"
#include <dirent.h>

static pthread_barrier_t barrier;
static pid_t ids[5];
static atomic_int wrong;
static void *work(void *with) {
    size_t me = (size_t)with;
    char path[64];
    ids[me] = gettid();
    wrong += getpid() == gettid();
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", ids[me]);
    wrong += access(path, R_OK) != 0;
    char link[64] = "", expected[64];
    snprintf(expected, sizeof expected, "%d/task/%d", getpid(), gettid());
    wrong += readlink("/proc/thread-self", link, 63) < 0 || strcmp(link, expected) != 0;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static int tasks(void) {
    int count = 0;
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    while ((entry = readdir(folder)))
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

int main(void) {
    pthread_t thread[4];
    pthread_barrier_init(&barrier, NULL, 5);
    YES(gettid() == getpid());
    int before = tasks();
    for (size_t i = 0; i < 4; i++)
        thread[i] = thread_of(work, (void *)i);
    pthread_barrier_wait(&barrier);
    YES(tasks() == before + 4);
    ids[4] = gettid();
    int same = 0;
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            same += ids[i] == ids[j];
    YES(same == 0 && wrong == 0);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 4; i++)
        joined(thread[i]);
    WAIT_FOR(tasks() == before);
    YES(tasks() == before);
    return failed;
}
