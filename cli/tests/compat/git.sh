#!/usr/bin/env bash
# git: commits, gc, clone, fetch, a merge with conflict, bisect and fsck of a local repository.
# needs: git
# memory: 4M 16M
. "$(dirname "$0")/lib.sh"
export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'
git config --global user.name eos && git config --global user.email eos@localhost
git config --global init.defaultBranch main && git config --global gc.auto 0
g() { $RUN git "$@"; }
g init -q one
cd one
for i in 1 2 3 4; do
    seq 1 "$(size 8000 200000)" | awk -v i="$i" '{ print $1 * i }' >numbers
    echo "$i" >small
    g add . && g commit -qm "commit $i"
done
g gc -q && g count-objects -v | grep -v size
g checkout -q -b side HEAD~2 && echo side >small && g commit -qam side && g checkout -q main
g merge side >/dev/null 2>&1 || echo conflict
echo merged >small && g commit -qam merged
cd ..
g clone -q one two
cd two
g log --format=%s --all | sort && g rev-parse HEAD && g fsck --full 2>&1
g bisect start -q HEAD HEAD~3 2>/dev/null | head -1 | cut -d' ' -f1
g diff HEAD~1 --stat | tail -1
