/* What a program sees of itself in /proc: name, arguments, title, threads, mappings, sizes, its own descriptors and no others. */
#include "conformance.h"
#include <dirent.h>
#include <inttypes.h>
#include <semaphore.h>

static int initialised = 7;
static sem_t done;

static int entries(const char *path, int *greatest) {
    int count = 0;
    DIR *folder = opendir(path);
    *greatest = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.') {
            count++;
            *greatest = atoi(entry->d_name) > *greatest ? atoi(entry->d_name) : *greatest;
        }
    closedir(folder);
    return count;
}

/* The contents of a file, with its length in *length. */
static char *contents(const char *path, size_t *length) {
    static char text[1 << 20];
    int fd = open(path, O_RDONLY);
    ssize_t got;
    for (*length = 0; fd >= 0 && (got = read(fd, text + *length, sizeof text - 1 - *length)) > 0;)
        *length += (size_t)got;
    close(fd);
    text[*length] = 0;
    return text;
}

static bool holds(const char *path, const char *what) {
    size_t length;
    char *text = contents(path, &length);
    return length == strlen(what) && memcmp(text, what, length) == 0;
}

/* The number behind a name in a file of lines. */
static long number(const char *path, const char *name) {
    size_t length;
    char *found = strstr(contents(path, &length), name);
    return found ? atol(found + strlen(name)) : -1;
}

/* Access and name of the mapping with this address, as one string. */
static const char *mapping(const void *where, const char *file) {
    static char found[512];
    size_t length;
    snprintf(found, sizeof found, "none");
    for (char *line = strtok(contents(file, &length), "\n"); line; line = strtok(NULL, "\n")) {
        uintptr_t start, end;
        char access[8] = "", name[256] = "";
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s %*x %*s %*u %255s", &start, &end, access, name) >= 3 &&
            start <= (uintptr_t)where && (uintptr_t)where < end) {
            char *base = strrchr(name, '/');
            snprintf(found, sizeof found, "%s %s", access, base ? base + 1 : name);
        }
    }
    return found;
}

static void *waits(void *with) { (void)with; sem_wait(&done); return NULL; }

static long field(const char *path, int which) {
    size_t length;
    char *at = strrchr(contents(path, &length), ')');
    for (int i = 2; at && i < which; i++)
        at = strchr(at + 1, ' ');
    return at ? atol(at + 1) : -1;
}

static int looks_at_parent(void *with) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cmdline", getppid());
    size_t length;
    CHECK(strcmp(contents(path, &length), with) == 0 && length == strlen(with) + 1);
    snprintf(path, sizeof path, "/proc/%d/comm", getppid());
    CHECK(holds(path, "file_proc_self\n"));
    return 0;
}

int main(int argc, char **argv) {
    char text[4096] = "", own[64];
    int greatest, local = 0;
    size_t length;
    (void)argc;
    CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
    char *arguments = contents("/proc/self/cmdline", &length);
    YES(length == strlen(argv[0]) + 1 && strcmp(arguments, argv[0]) == 0);
    char *environment = contents("/proc/self/environ", &length);
    YES(memmem(environment, length, "PATH=", 5) != NULL);
    snprintf(own, sizeof own, "/proc/%d/comm", getpid());
    YES(holds(own, "file_proc_self\n"));
    YES(strstr(contents("/proc/self/status", &length), "\nSigBlk:\t0000000000000000\n") != NULL);
    SHOW(ended(child_of(looks_at_parent, argv[0])) & 0xff);

    /* Threads. */
    SHOW(number("/proc/self/status", "\nThreads:\t"));
    SHOW(entries("/proc/self/task", &greatest));
    pthread_t thread[2] = {thread_of(waits, NULL), thread_of(waits, NULL)};
    SHOW(number("/proc/thread-self/status", "\nThreads:\t"));
    SHOW(field("/proc/self/stat", 20));
    SHOW(entries("/proc/self/task", &greatest));
    sem_post(&done), sem_post(&done);
    joined(thread[0]), joined(thread[1]);
    /* The kernel may need a moment. */
    for (int i = 0; i < 1000 && entries("/proc/self/task", &greatest) > 1; i++)
        nap_ms(1);
    SHOW(entries("/proc/self/task", &greatest));
    YES(greatest == getpid());

    /* Mappings. */
    char *heap = sbrk(PAGE), *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *heap = 1;
    YES(strcmp(mapping((void *)main, "/proc/self/maps"), "r-xp file_proc_self") == 0);
    YES(strcmp(mapping(&initialised, "/proc/self/maps"), "rw-p file_proc_self") == 0);
    YES(strcmp(mapping(heap, "/proc/self/maps"), "rw-p [heap]") == 0);
    YES(strcmp(mapping(&local, "/proc/self/maps"), "rw-p [stack]") == 0);
    YES(strcmp(mapping(&local, "/proc/self/smaps"), "rw-p [stack]") == 0);
    YES(strncmp(mapping((void *)printf, "/proc/self/maps"), "r-xp libc", 9) == 0);
    YES(strncmp(mapping(shared, "/proc/self/maps"), "rw-s zero", 9) == 0);
    char *memory = anonymous(24 * MIB);
    YES(strcmp(mapping(memory + 12 * MIB, "/proc/self/maps"), "rw-p ") == 0);
    CHECK(mprotect(memory + 12 * MIB, PAGE, PROT_READ) == 0);
    YES(strcmp(mapping(memory + 12 * MIB, "/proc/self/maps"), "r--p ") == 0);
    CHECK(munmap(memory + 12 * MIB, PAGE) == 0);
    YES(strcmp(mapping(memory + 12 * MIB, "/proc/self/maps"), "none") == 0);

    /* Sizes: what was touched counts, wherever it is. */
    long before = number("/proc/self/status", "\nVmRSS:");
    fill(memory, 12 * MIB, 1);
    long after = number("/proc/self/status", "\nVmRSS:");
    YES(before > 100 && after - before > 8 * 1024 && after - before < 32 * 1024);
    long size = number("/proc/self/status", "\nVmSize:");
    YES(size > 24 * 1024 && size < 1024 * 1024);
    YES(field("/proc/self/stat", 23) > 24 * (long)MIB && field("/proc/self/stat", 23) < 1024 * (long)MIB);
    YES(atol(contents("/proc/self/statm", &length)) < 1024 * 256);

    /* A title in place of the arguments, as servers have it. */
    char *title = memset(argv[0], '#', strlen(argv[0]));
    for (int i = 0; i < 1000 && contents("/proc/self/cmdline", &length)[0] != '#'; i++) {
        *(volatile char *)title = '#';
        nap_ms(2);
    }
    YES(strncmp(contents("/proc/self/cmdline", &length), "###", 3) == 0);

    /* Files. */
    SHOW(entries("/proc/self/fd", &greatest));
    SHOW(greatest);
    SHOW(entries("/dev/fd", &greatest));
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    SHOW(fd);
    YES(fcntl(fd, F_GETFD) == FD_CLOEXEC && write(fd, "x", 1) == -1 && errno == EBADF);
    YES(pread(fd, text, 8, 0) == 8);
    close(fd);
    errno = 0;
    YES(open("/proc/self/maps", O_RDONLY | O_DIRECTORY) == -1 && errno == ENOTDIR);
    ssize_t linked = readlink("/proc/self/exe", text, sizeof text - 1);
    YES(linked > 14 && strncmp(text + linked - 14, "file_proc_self", 14) == 0);
    return failed;
}
