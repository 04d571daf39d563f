/* What a program sees of itself in /proc: name, arguments, one thread, its own descriptors and no others. */
#include "conformance.h"
#include <dirent.h>

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

int main(int argc, char **argv) {
    char text[4096] = "", own[64], line[256];
    int greatest, threads = 0, signals = 0;
    (void)argc;
    CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
    FILE *file = fopen("/proc/self/cmdline", "r");
    YES(file && fread(text, 1, sizeof text - 1, file) == strlen(argv[0]) + 1 && strcmp(text, argv[0]) == 0);
    fclose(file);
    snprintf(own, sizeof own, "/proc/%d/comm", getpid());
    file = fopen(own, "r");
    YES(file && fgets(line, sizeof line, file) && strcmp(line, "file_proc_self\n") == 0);
    fclose(file);
    file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "Threads: %d", &threads), signals += strncmp(line, "SigBlk:\t0000000000000000", 24) == 0;
    fclose(file);
    SHOW(threads);
    YES(signals == 1);
    int tasks = entries("/proc/self/task", &greatest);
    SHOW(tasks);
    int descriptors = entries("/proc/self/fd", &greatest);
    SHOW(descriptors);
    SHOW(greatest);
    ssize_t length = readlink("/proc/self/exe", text, sizeof text - 1);
    YES(length > 14 && strncmp(text + length - 14, "file_proc_self", 14) == 0);
    return failed;
}
