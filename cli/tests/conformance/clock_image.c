/* The vDSO: the auxiliary vector names an image that loaders can read, and its functions say what system calls say. */
// flags: -ldl
#define _GNU_SOURCE
#include "conformance.h"
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/time.h>

static int64_t in_ns(struct timespec time) { return time.tv_sec * 1000000000l + time.tv_nsec; }

static int64_t by_call(clockid_t clock) {
    struct timespec now;
    CHECK(syscall(SYS_clock_gettime, clock, &now) == 0);
    return in_ns(now);
}

static int found(struct dl_phdr_info *info, size_t size, void *image) {
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_addr + info->dlpi_phdr[i].p_vaddr == (uintptr_t)image)
            return 1;
    return 0;
}

int main(void) {
    unsigned char *image = (unsigned char *)getauxval(AT_SYSINFO_EHDR);
    YES(image != NULL && memcmp(image, ELFMAG, SELFMAG) == 0);
    YES(((Elf64_Ehdr *)image)->e_type == ET_DYN && ((Elf64_Ehdr *)image)->e_machine == EM_X86_64);
    YES(dl_iterate_phdr(found, image) == 1);
    void *library = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
    YES(library != NULL);
    int (*gettime)(clockid_t, struct timespec *) = dlvsym(library, "__vdso_clock_gettime", "LINUX_2.6");
    int (*timeofday)(struct timeval *, struct timezone *) = dlvsym(library, "__vdso_gettimeofday", "LINUX_2.6");
    time_t (*seconds)(time_t *) = dlvsym(library, "__vdso_time", "LINUX_2.6");
    int (*getres)(clockid_t, struct timespec *) = dlvsym(library, "__vdso_clock_getres", "LINUX_2.6");
    int (*cpu)(unsigned *, unsigned *, void *) = dlvsym(library, "__vdso_getcpu", "LINUX_2.6");
    YES(gettime != NULL && timeofday != NULL && seconds != NULL && getres != NULL && cpu != NULL);
    Dl_info about;
    YES(dladdr((void *)gettime, &about) != 0 && about.dli_fbase == image);

    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
                          CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    long disagree = 0, resolutions = 0;
    for (int round = 0; round < 300; round++)
        for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
            struct timespec now, tick, same;
            int64_t before = by_call(clocks[i]);
            disagree += gettime(clocks[i], &now) != 0 || now.tv_nsec < 0 || now.tv_nsec >= 1000000000;
            disagree += in_ns(now) < before || by_call(clocks[i]) < in_ns(now);
            resolutions += getres(clocks[i], &tick) != 0 || syscall(SYS_clock_getres, clocks[i], &same) != 0 ||
                           in_ns(tick) != in_ns(same);
        }
    SHOW(disagree);
    SHOW(resolutions);
    struct timeval day;
    struct timezone zone = {77, 77};
    int64_t before = by_call(CLOCK_REALTIME) / 1000;
    YES(timeofday(&day, &zone) == 0 && zone.tz_dsttime == 0);
    YES(timeofday(&day, NULL) == 0 && day.tv_sec * 1000000l + day.tv_usec >= before);
    YES(timeofday(NULL, NULL) == 0);
    YES(by_call(CLOCK_REALTIME) / 1000 >= day.tv_sec * 1000000l + day.tv_usec);
    time_t told, answer = seconds(&told);
    YES(answer == told && llabs(seconds(NULL) - told) <= 1 && llabs(told - by_call(CLOCK_REALTIME) / 1000000000) <= 1);
    unsigned where = ~0u, node = ~0u;
    YES(cpu(&where, &node, NULL) == 0 && where < (unsigned)sysconf(_SC_NPROCESSORS_CONF) && node < 1024);
    YES(cpu(NULL, NULL, NULL) == 0);
    struct timespec none;
    YES(FAILS(clock_gettime(77, &none), EINVAL) && FAILS(clock_gettime(-1, &none), EINVAL) && FAILS(clock_getres(77, &none), EINVAL));
    return failed;
}
