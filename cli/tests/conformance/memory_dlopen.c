/* Libraries that are loaded while the program runs: found, called, closed, with thread-local variables; constructors run. */
#include "conformance.h"
#include <dlfcn.h>
#include <link.h>
// flags: -ldl

static int count(struct dl_phdr_info *info, size_t size, void *with) {
    (void)info, (void)size;
    ++*(int *)with;
    return 0;
}

int main(void) {
    int before = 0, after = 0;
    dl_iterate_phdr(count, &before);
    for (int i = 0; i < 20; i++) {
        void *library = dlopen("libresolv.so.2", RTLD_NOW | RTLD_LOCAL);
        CHECK(library);
        CHECK(dlsym(library, "ns_get16") != NULL && dlsym(library, "no_such_name") == NULL);
        unsigned (*get)(const unsigned char *) = (unsigned (*)(const unsigned char *))dlsym(library, "ns_get16");
        CHECK(get((const unsigned char *)"\x12\x34") == 0x1234);
        CHECK(dlclose(library) == 0);
    }
    dl_iterate_phdr(count, &after);
    YES(before == after && before >= 3);
    YES(dlopen("libnowhere.so.7", RTLD_NOW) == NULL && dlerror() != NULL);
    Dl_info info;
    YES(dladdr(dlsym(RTLD_DEFAULT, "printf"), &info) != 0 && strstr(info.dli_fname, "libc.so"));
    return failed;
}
