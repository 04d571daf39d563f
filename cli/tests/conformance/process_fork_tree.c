/* Children of children, many children at once, and all of their statuses. */
#include "conformance.h"

static int tree(void *with) {
    size_t depth = (size_t)with;
    if (depth == 0)
        return 1;
    pid_t left = child_of(tree, (void *)(depth - 1)), right = child_of(tree, (void *)(depth - 1));
    return ended(left) + ended(right);
}
static int number(void *with) { return (int)(uintptr_t)with; }

int main(void) {
    pid_t children[40];
    int sum = 0;
    SHOW(ended(child_of(tree, (void *)4)));
    for (uintptr_t i = 0; i < 40; i++)
        children[i] = child_of(number, (void *)i);
    for (int i = 39; i >= 0; i--)
        sum += ended(children[i]);
    SHOW(sum);
    return failed;
}
