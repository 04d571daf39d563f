/* exec of scripts: with an interpreter and argument, without #!, and one whose interpreter is missing. */
#include "conformance.h"

static char path[64];
static int run(void *with) {
    (void)with;
    execlp(path, "name", "a b", "", NULL);
    return errno;
}
static int with_text(const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    return ended(child_of(run, NULL));
}

int main(void) {
    snprintf(path, sizeof path, "/tmp/conformance-script-%d", getpid());
    SHOW(with_text("#!/bin/sh\necho \"$#:$1:$2\"\nexit 5\n"));
    SHOW(with_text("#! /bin/sh -e\nfalse\necho not here\n"));
    SHOW(with_text("#!/usr/bin/env sh\necho by env\n"));
    SHOW(with_text("echo no interpreter \"$1\"\nexit 2\n"));
    YES(with_text("#!/nowhere/sh\n") == ENOENT);
    unlink(path);
    return failed;
}
