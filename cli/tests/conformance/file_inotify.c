/* inotify reports what happens in a folder, by name. */
#include "conformance.h"
#include <poll.h>
#include <sys/inotify.h>

int main(void) {
    char folder[] = "/tmp/conformance-XXXXXX", name[64], to[64];
    char *buffer = (char *)anonymous(24 * MIB) + MIB - 100;
    CHECK(mkdtemp(folder));
    snprintf(name, sizeof name, "%s/first", folder);
    snprintf(to, sizeof to, "%s/second", folder);
    int fd = inotify_init1(IN_NONBLOCK), file;
    YES(inotify_add_watch(fd, folder, IN_CREATE | IN_DELETE | IN_MOVE | IN_CLOSE_WRITE | IN_MODIFY) == 1);
    YES(FAILS(read(fd, buffer, 4096), EAGAIN));
    CHECK((file = open(name, O_CREAT | O_WRONLY, 0600)) >= 0 && write(file, "x", 1) == 1);
    close(file);
    CHECK(rename(name, to) == 0 && unlink(to) == 0);
    struct pollfd one = {.fd = fd, .events = POLLIN};
    YES(poll(&one, 1, 1000) == 1);
    ssize_t length = read(fd, buffer, 4096);
    uint32_t cookie = 0;
    for (char *at = buffer; at < buffer + length;) {
        struct inotify_event *event = (struct inotify_event *)at;
        printf("%x %s %s\n", event->mask, event->name, event->cookie && event->cookie == cookie ? "same" : "");
        cookie = event->cookie;
        at += sizeof *event + event->len;
    }
    CHECK(rmdir(folder) == 0);
    return failed;
}
