/* Threads are bound to processors, and see it. */
#include "conformance.h"

static void *work(void *with) {
    cpu_set_t set, now;
    int wrong = 0;
    CHECK(sched_getaffinity(0, sizeof now, &now) == 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, (cpu_set_t *)with))
            continue;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        wrong += pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0;
        wrong += pthread_getaffinity_np(pthread_self(), sizeof now, &now) != 0 || !CPU_EQUAL(&set, &now);
        wrong += sched_getcpu() != cpu;
    }
    return (void *)(intptr_t)wrong;
}

int main(void) {
    cpu_set_t set, none;
    CPU_ZERO(&none);
    YES(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= 1);
    YES(FAILS(sched_setaffinity(0, sizeof none, &none), EINVAL));
    YES(joined(thread_of(work, &set)) == NULL);
    cpu_set_t after;
    YES(sched_getaffinity(0, sizeof after, &after) == 0 && CPU_EQUAL(&set, &after));
    struct sched_param parameters;
    int policy;
    YES(pthread_getschedparam(pthread_self(), &policy, &parameters) == 0 && policy == SCHED_OTHER);
    return failed;
}
