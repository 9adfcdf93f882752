#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# bundled_libraries.sh PROGRAM: a bundle has what PROGRAM needs but glibc and CUDA, is refused where something is missing, and
# appears whole or not at all.
set -euo pipefail
program=$1
source "$(dirname "$0")/../../scripts/bundle.bash"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

add_libraries bundle/lib bundle/licences "$program"
[ -s bundle/lib/libstdc++.so.6 ]
[ -z "$(find bundle/lib -name 'libc.so*' -o -name 'libcu*')" ]
[ -s bundle/lib/libfmt.so.* ]

code=0
ldd() { printf '\t%s => not found\n' libcublasLt.so.13 "$@"; }
add_libraries other/lib other/licences libc.so.6
[ -z "$(ls other/lib)" ]
add_libraries other/lib other/licences libabsent.so.1 2>words || code=$?
[ $code = 65 ]
[ "$(cat words)" = 'bundled_libraries.sh: these libraries are not found: libabsent.so.1' ]

code=0
pack_folder bundle small.tar.xz 1000 >out 2>words || code=$?
[ $code = 70 ]
grep -q '^bundled_libraries.sh: small.tar.xz would be [0-9]* bytes, more than 1000$' words
[ "$(pack_folder bundle bundle.tar.xz 100000000)" = bundle.tar.xz ]
tar -xJf bundle.tar.xz --one-top-level=again
diff -r bundle again/bundle
[ -z "$(ls small.tar.xz* bundle.tar.xz.* 2>/dev/null)" ]
