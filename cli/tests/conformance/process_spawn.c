/* posix_spawn with file actions and attributes. */
#include "conformance.h"
#include <spawn.h>

extern char **environ;

int main(void) {
    pid_t child;
    int ends[2];
    char text[64] = "", *argv[] = {"sh", "-c", "echo $WORD; exit 4", NULL}, *env[] = {"WORD=spawned", NULL};
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    YES(posix_spawn(&child, "/bin/sh", &actions, NULL, argv, env) == 0);
    close(ends[1]);
    YES(read(ends[0], text, sizeof text) == 8 && strcmp(text, "spawned\n") == 0);
    SHOW(ended(child));
    YES(posix_spawn(&child, "/nowhere", NULL, NULL, argv, environ) == ENOENT);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    argv[2] = "test $(cut -d' ' -f5 /proc/$$/stat) = $$";
    YES(posix_spawnp(&child, "sh", NULL, &attributes, argv, environ) == 0);
    SHOW(ended(child));
    return failed;
}
