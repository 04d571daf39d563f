/* Files passed over a socket pair (SCM_RIGHTS), credentials, several messages at once, ends of messages. */
#include "conformance.h"
#include <sys/socket.h>

int main(void) {
    int pair[2], ends[2];
    char *memory = anonymous(24 * MIB), *control = memory + 2 * MIB - 40, *text = memory + 3 * MIB - 3;
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0 && pipe(ends) == 0);
    strcpy(text, "a pipe");
    struct iovec *part = (struct iovec *)(memory + MIB - 8);
    *part = (struct iovec){text, 7};
    struct msghdr *message = (struct msghdr *)(memory + 20 * MIB - 16);
    *message = (struct msghdr){.msg_iov = part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(2 * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), ends, sizeof ends);
    fill(memory + 4 * MIB, 14 * MIB, 1);
    YES(sendmsg(pair[0], message, 0) == 7);
    memset(control, 0, 64);
    memset(text, 0, 7);
    message->msg_controllen = 64;
    fill(memory + 4 * MIB, 14 * MIB, 2);
    YES(recvmsg(pair[1], message, MSG_CMSG_CLOEXEC) == 7 && strcmp(text, "a pipe") == 0);
    header = CMSG_FIRSTHDR(message);
    YES(header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(2 * sizeof(int)));
    int got[2];
    memcpy(got, CMSG_DATA(header), sizeof got);
    YES(got[0] != ends[0] && fcntl(got[0], F_GETFD) == FD_CLOEXEC);
    char byte = 0;
    YES(write(got[1], "q", 1) == 1 && read(ends[0], &byte, 1) == 1 && byte == 'q');
    int on = 1;
    CHECK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    YES(send(pair[0], "1234567890", 10, 0) == 10);
    part->iov_len = 4;
    message->msg_controllen = 64;
    YES(recvmsg(pair[1], message, 0) == 4 && message->msg_flags & MSG_TRUNC);
    header = CMSG_FIRSTHDR(message);
    struct ucred who;
    memcpy(&who, CMSG_DATA(header), sizeof who);
    YES(header->cmsg_type == SCM_CREDENTIALS && who.pid == getpid() && who.uid == getuid());
    struct mmsghdr many[8];
    struct iovec parts[8];
    for (int i = 0; i < 8; i++) {
        parts[i] = (struct iovec){memory + (size_t)(5 + i) * MIB - 2, 4};
        memset(parts[i].iov_base, 'a' + i, 4);
        many[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
    }
    YES(sendmmsg(pair[0], many, 8, 0) == 8);
    for (int i = 0; i < 8; i++)
        memset(parts[i].iov_base, 0, 4);
    YES(recvmmsg(pair[1], many, 8, 0, NULL) == 8);
    int same = 0;
    for (int i = 0; i < 8; i++)
        same += many[i].msg_len == 4 && ((char *)parts[i].iov_base)[3] == 'a' + i;
    SHOW(same);
    return failed;
}
