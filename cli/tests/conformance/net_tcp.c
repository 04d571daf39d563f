/* TCP over loopback between two processes: data both ways larger than all buffers, half-closed, addresses, options. */
#include "conformance.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define BYTES (24 * MIB)
static struct sockaddr_in address = {.sin_family = AF_INET};
static char *memory;

static size_t all(int fd, bool out) {
    size_t done = 0;
    ssize_t now;
    while (done < BYTES && (now = out ? send(fd, memory + done, BYTES - done, 0) : recv(fd, memory + done, BYTES - done, 0)) > 0)
        done += (size_t)now;
    return done;
}
static int client(void *with) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)with;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        return 1;
    memory = anonymous(BYTES);
    if (all(fd, false) != BYTES || spoilt(memory, BYTES, 1) != 0)
        return 2;
    fill(memory, BYTES, 2);
    return all(fd, true) == BYTES && shutdown(fd, SHUT_WR) == 0 ? 0 : 3;
}

int main(void) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    YES(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    YES(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 5) == 0);
    YES(getsockname(listener, (struct sockaddr *)&address, &length) == 0 && address.sin_port != 0);
    pid_t child = child_of(client, NULL);
    struct sockaddr_in peer;
    int fd = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC);
    YES(fd >= 0 && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    YES(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    memory = anonymous(BYTES);
    fill(memory, BYTES, 1);
    YES(all(fd, true) == BYTES);
    YES(all(fd, false) == BYTES && spoilt(memory, BYTES, 2) == 0);
    char byte;
    YES(recv(fd, &byte, 1, 0) == 0);
    SHOW(ended(child));
    return failed;
}
