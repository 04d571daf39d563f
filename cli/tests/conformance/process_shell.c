/* system() and popen(), with statuses, input and output. */
#include "conformance.h"

int main(void) {
    char line[128] = "";
    YES(system(NULL) != 0);
    SHOW(WEXITSTATUS(system("exit 6")));
    SHOW(WEXITSTATUS(system("echo one; echo two | tr a-z A-Z; true | false")));
    YES(WTERMSIG(system("kill -TERM $$")) == SIGTERM);
    FILE *in = popen("printf 'from the child\\n'; exit 3", "r");
    YES(in && fgets(line, sizeof line, in));
    printf("%s", line);
    SHOW(WEXITSTATUS(pclose(in)));
    FILE *out = popen("sort -r", "w");
    fputs("a\nc\nb\n", out);
    SHOW(pclose(out));
    YES(WEXITSTATUS(system("no_such_command 2>/dev/null")) == 127);
    return failed;
}
