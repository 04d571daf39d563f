/* Files and folders: create, rename, link, permissions, times, listing, holes, appending, locks, sizes. */
#include "conformance.h"
#include <dirent.h>
#include <sys/file.h>
#include <sys/statvfs.h>

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int main(void) {
    char folder[] = "/tmp/conformance-XXXXXX", *names[64];
    struct stat info, other;
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    int fd = open("a", O_CREAT | O_EXCL | O_RDWR, 0640);
    YES(fd >= 0 && FAILS(open("a", O_CREAT | O_EXCL, 0600), EEXIST) && FAILS(open("b", O_RDONLY), ENOENT));
    YES(write(fd, "hello", 5) == 5 && lseek(fd, 100000, SEEK_SET) == 100000 && write(fd, "x", 1) == 1);
    YES(fstat(fd, &info) == 0 && info.st_size == 100001 && (info.st_mode & 0777) == (0640 & ~(int)umask(022)));
    YES(lseek(fd, 0, SEEK_DATA) == 0 && lseek(fd, 0, SEEK_END) == 100001);
    YES(link("a", "hard") == 0 && symlink("a", "soft") == 0 && stat("soft", &other) == 0 && other.st_ino == info.st_ino);
    YES(lstat("soft", &other) == 0 && S_ISLNK(other.st_mode) && stat("hard", &other) == 0 && other.st_nlink == 2);
    char text[64] = "";
    YES(readlink("soft", text, sizeof text) == 1 && text[0] == 'a');
    YES(mkdir("sub", 0700) == 0 && rename("hard", "sub/moved") == 0 && FAILS(rmdir("sub"), ENOTEMPTY));
    YES(chmod("a", 0400) == 0 && stat("a", &other) == 0 && (other.st_mode & 0777) == 0400);
    struct timespec times[2] = {{1000, 5}, {2000, 7}};
    YES(utimensat(AT_FDCWD, "a", times, 0) == 0 && stat("a", &other) == 0 && other.st_mtim.tv_sec == 2000);
    YES(truncate("sub/moved", 10) == 0 && fallocate(fd, 0, 0, 50000) == 0 && fstat(fd, &other) == 0 && other.st_size == 50000);
    int end = open("log", O_CREAT | O_WRONLY | O_APPEND, 0600);
    YES(write(end, "one", 3) == 3 && lseek(end, 0, SEEK_SET) == 0 && write(end, "two", 3) == 3 && fstat(end, &other) == 0);
    SHOW(other.st_size);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "sub/file%02d", i);
        close(open(text, O_CREAT, 0600));
    }
    DIR *listed = opendir("sub");
    int count = 0;
    for (struct dirent *entry; (entry = readdir(listed));)
        if (entry->d_name[0] != '.')
            names[count++] = strdup(entry->d_name);
    closedir(listed);
    qsort(names, (size_t)count, sizeof *names, by_name);
    printf("%d %s %s\n", count, names[0], names[count - 1]);
    int second = open("log", O_RDONLY);
    YES(flock(end, LOCK_EX) == 0 && FAILS(flock(second, LOCK_SH | LOCK_NB), EWOULDBLOCK) && flock(end, LOCK_UN) == 0);
    struct flock lock = {.l_type = F_WRLCK, .l_start = 5, .l_len = 10};
    YES(fcntl(fd, F_OFD_SETLK, &lock) == 0);
    struct statvfs system;
    YES(statvfs(".", &system) == 0 && system.f_namemax >= 200);
    struct statx extended;
    YES(statx(AT_FDCWD, "log", 0, STATX_SIZE, &extended) == 0 && extended.stx_size == 6);
    YES(access("log", R_OK) == 0 && FAILS(access("none", F_OK), ENOENT) && FAILS(chdir("log"), ENOTDIR));
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "sub/%s", names[i]);
        CHECK(unlink(text) == 0);
    }
    YES(unlink("a") == 0 && unlink("soft") == 0 && unlink("log") == 0 && rmdir("sub") == 0 && chdir("/") == 0 && rmdir(folder) == 0);
    return failed;
}
