/* A child of a program larger than the budget replaces itself by programs that read and write pipes; many times. */
#include "conformance.h"

int main(void) {
    char *memory = anonymous(24 * MIB), text[32];
    fill(memory, 24 * MIB, 1);
    int sum = 0;
    for (int i = 0; i < 10; i++) {
        int in[2], out[2];
        CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
        pid_t child = fork();
        if (child == 0) {
            dup2(in[0], 0);
            dup2(out[1], 1);
            execl("/bin/cat", "cat", NULL);
            _exit(127);
        }
        close(in[0]), close(out[1]);
        int length = snprintf(text, sizeof text, "%d", i * i);
        CHECK(write(in[1], text, (size_t)length) == length);
        close(in[1]);
        memset(text, 0, sizeof text);
        CHECK(read(out[0], text, sizeof text) == length);
        close(out[0]);
        sum += atoi(text) + ended(child);
    }
    SHOW(sum);
    YES(spoilt(memory, 24 * MIB, 1) == 0);
    return failed;
}
