#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# install.sh BUILD: installs into a fresh prefix and uses nothing but what is there.
set -euo pipefail
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/usr" >/dev/null
export PATH=$work/usr/bin:/usr/bin:/bin
cd "$work"

tools=$(ls usr/bin)
[ "$(ls usr/share/man/man1)" = "$(printf '%s.1\n' $tools)" ]
[ "$(ls usr/share/bash-completion/completions)" = "$tools" ]
[ "$(ls usr/share/zsh/vendor-completions)" = "$(printf '_%s\n' $tools)" ]
for tool in $tools; do "$tool" --version | head -n 1; done >versions
[ "$(sort -u -k 3 versions | wc -l)" = 1 ]

echo 'one word and one more word' >text.txt
gpt2-tokenize train --vocab-size 260 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text
gpt2-shard cat shards/*.bin | gpt2-tokenize decode --vocab vocab | cmp - text.txt
