/* fork in a program with threads: the child has one thread, works, makes threads of its own, and fork again. */
#include "conformance.h"

static char *memory;
static atomic_int done;
static atomic_ulong wrong;
static void *work(void *with) {
    char *mine = memory + (size_t)with * 6 * MIB;
    for (uint64_t seed = 0; !done; seed++) {
        fill(mine, 6 * MIB, seed);
        wrong += spoilt(mine, 6 * MIB, seed);
    }
    return NULL;
}
static void *little(void *with) { return (void *)((uintptr_t)with + 1); }

static int tasks(void) {
    char line[256];
    int count = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "Threads: %d", &count);
    fclose(file);
    return count;
}
static int grandchild(void *with) { return spoilt(with, 6 * MIB, 77) == 0 ? 3 : 1; }
static int child(void *with) {
    bool well = spoilt(with, 6 * MIB, 77) == 0;
    well = well && joined(thread_of(little, (void *)4)) == (void *)5;
    well = well && ended(child_of(grandchild, with)) == 3;
    return well ? 4 : 1;
}

int main(void) {
    pthread_t thread[3];
    int before = tasks(), statuses = 0;
    memory = anonymous(24 * MIB);
    fill(memory + 18 * MIB, 6 * MIB, 77);
    for (size_t i = 0; i < 3; i++)
        thread[i] = thread_of(work, (void *)i);
    for (int i = 0; i < 5; i++)
        statuses += ended(child_of(child, memory + 18 * MIB));
    SHOW(statuses);
    YES(tasks() == before + 3);
    done = 1;
    for (size_t i = 0; i < 3; i++)
        joined(thread[i]);
    YES(wrong == 0);
    return failed;
}
