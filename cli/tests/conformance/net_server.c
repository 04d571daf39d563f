/* A threaded server: one thread accepts, one thread a client, clients in threads too; every answer is checked. */
#include "conformance.h"
#include <arpa/inet.h>
#include <sys/socket.h>

#define CLIENTS 10
static struct sockaddr_in address = {.sin_family = AF_INET};
static void *serve(void *with) {
    int fd = (int)(intptr_t)with;
    uint64_t words[512];
    while (recv(fd, words, sizeof words, MSG_WAITALL) == sizeof words) {
        for (int i = 0; i < 512; i++)
            words[i] = words[i] * 5 + 1;
        CHECK(send(fd, words, sizeof words, 0) == sizeof words);
    }
    close(fd);
    return NULL;
}
static void *accept_all(void *with) {
    pthread_t thread[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        thread[i] = thread_of(serve, (void *)(intptr_t)accept(*(int *)with, NULL, NULL));
    for (int i = 0; i < CLIENTS; i++)
        joined(thread[i]);
    return NULL;
}
static void *ask(void *with) {
    uint64_t words[512];
    size_t wrong = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    for (uint64_t round = 0; round < 100; round++) {
        for (uint64_t i = 0; i < 512; i++)
            words[i] = i + round * (uint64_t)with;
        CHECK(send(fd, words, sizeof words, 0) == sizeof words && recv(fd, words, sizeof words, MSG_WAITALL) == sizeof words);
        for (uint64_t i = 0; i < 512; i++)
            wrong += words[i] != (i + round * (uint64_t)with) * 5 + 1;
    }
    close(fd);
    return (void *)wrong;
}

int main(void) {
    pthread_t thread[CLIENTS];
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), good = 0;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, CLIENTS) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    pthread_t server = thread_of(accept_all, &listener);
    for (size_t i = 0; i < CLIENTS; i++)
        thread[i] = thread_of(ask, (void *)i);
    for (int i = 0; i < CLIENTS; i++)
        good += joined(thread[i]) == NULL;
    joined(server);
    SHOW(good);
    return failed;
}
