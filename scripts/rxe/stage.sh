# Copies files into the folder of a guest, with what they need; sourced.

# skeleton ROOT: Debian's layout, one place for programs and libraries, the older names are links to it
skeleton() {
    mkdir -p "$1"/usr/{bin,lib,lib64}
    ln -s usr/bin "$1/bin"
    ln -s usr/bin "$1/sbin"
    ln -s bin "$1/usr/sbin"
    ln -s usr/lib "$1/lib"
    ln -s usr/lib64 "$1/lib64"
}

# copy_in ROOT FILE...: the file at the same path below ROOT, and the shared libraries it needs
copy_in() {
    local root=$1 file library
    shift
    for file in "$@"; do
        place "$root" "$file"
        # Static programs and plain files need none.
        { ldd "$file" 2>/dev/null || true; } | awk '$2 == "=>" && $3 ~ "^/" { print $3 } $1 ~ "^/" { print $1 }'
    done | sort -u | while read -r library; do place "$root" "$library"; done
}

# place ROOT FILE: follows links, so that one name is one file; without debug information, which makes up most of a test binary
place() {
    [ ! -e "$1$2" ] || return 0
    mkdir -p "$1$(dirname "$2")"
    strip --strip-debug -o "$1$2" "$2" 2>/dev/null || cp -L "$2" "$1$2"
}

# pack ROOT: an archive for the kernel on stdout; the owner of everything is root
pack() { (cd "$1" && find . -print0 | cpio --null --create --format=newc --owner=0:0 --quiet); }
