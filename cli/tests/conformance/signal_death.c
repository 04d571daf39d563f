/* A signal with its default action ends the process by that signal, after output that was written; atexit does not run. */
#include "conformance.h"

static void never(void) { puts("atexit ran"); }

int main(void) {
    atexit(never);
    puts("before");
    raise(SIGPOLL);
    puts("after");
    return 0;
}
