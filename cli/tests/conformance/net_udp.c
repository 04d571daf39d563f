/* UDP over loopback: datagrams with addresses, truncation, empty ones, connected sockets, time limits. */
#include "conformance.h"
#include <arpa/inet.h>
#include <sys/socket.h>

static struct sockaddr_in bound(int fd) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    CHECK(bind(fd, (struct sockaddr *)&address, length) == 0 && getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    return address;
}

int main(void) {
    char *memory = anonymous(24 * MIB), *buffer = memory + MIB - 10;
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in at_a = bound(a), at_b = bound(b), *from = (struct sockaddr_in *)(memory + 2 * MIB - 6);
    socklen_t *length = (socklen_t *)(memory + 3 * MIB);
    *length = sizeof *from;
    YES(sendto(a, "hello", 5, 0, (struct sockaddr *)&at_b, sizeof at_b) == 5);
    fill(memory + 4 * MIB, 20 * MIB, 1);
    YES(recvfrom(b, buffer, 100, 0, (struct sockaddr *)from, length) == 5 && memcmp(buffer, "hello", 5) == 0);
    YES(*length == sizeof *from && from->sin_port == at_a.sin_port);
    YES(connect(b, (struct sockaddr *)&at_a, sizeof at_a) == 0);
    fill(memory + 4 * MIB, 60000, 7);
    YES(send(b, memory + 4 * MIB, 60000, 0) == 60000 && recv(a, memory + 9 * MIB, 65536, 0) == 60000);
    YES(spoilt(memory + 9 * MIB, 60000, 7) == 0);
    YES(send(b, "0123456789", 10, 0) == 10 && recv(a, buffer, 4, MSG_TRUNC) == 10);
    YES(send(b, "", 0, 0) == 0 && recv(a, buffer, 10, 0) == 0);
    YES(FAILS(recv(a, buffer, 10, MSG_DONTWAIT), EAGAIN));
    struct timeval limit = {0, 20000};
    YES(setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    YES(FAILS(recv(a, buffer, 10, 0), EAGAIN));
    YES(FAILS(send(b, memory + 4 * MIB, 70000, 0), EMSGSIZE));
    int same = 0;
    for (int i = 0; i < 200; i++) {
        snprintf(buffer, 32, "datagram %d", i);
        CHECK(send(b, buffer, 32, 0) == 32);
        memset(buffer, 0, 32);
        same += recv(a, buffer, 32, 0) == 32 && atoi(buffer + 9) == i;
    }
    SHOW(same);
    return failed;
}
