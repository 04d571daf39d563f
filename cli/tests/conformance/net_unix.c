/* Unix sockets between processes: streams, datagrams with names, abstract names, credentials of the peer. */
#include "conformance.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t length;
static int client(void *with) {
    char text[16] = "";
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)with;
    if (connect(fd, (struct sockaddr *)&address, length) != 0 || write(fd, "ping", 4) != 4)
        return 1;
    return read(fd, text, 16) == 4 && strcmp(text, "pong") == 0 ? 0 : 2;
}

int main(void) {
    char text[16] = "";
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "conformance-%d", getpid());
    length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1));
    YES(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0);
    YES(FAILS(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, length), EADDRINUSE));
    pid_t child = child_of(client, NULL);
    int fd = accept(listener, NULL, NULL);
    struct ucred who;
    socklen_t size = sizeof who;
    YES(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.pid == child && who.uid == getuid());
    YES(read(fd, text, 16) == 4 && strcmp(text, "ping") == 0 && write(fd, "pong", 4) == 4);
    SHOW(ended(child));
    YES(read(fd, text, 16) == 0);
    int pair[2];
    YES(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0 && send(pair[0], "a", 1, 0) == 1 && send(pair[0], "bc", 2, 0) == 2);
    YES(recv(pair[1], text, 16, 0) == 1 && recv(pair[1], text, 16, 0) == 2);
    return failed;
}
