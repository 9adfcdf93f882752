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

tools=$(ls usr/bin | grep -vx gpt2-mpirun) # whose options are those of mpirun
[ "$(ls usr/share/man/man1)" = "$(printf '%s.1\n' $tools)" ]
[ "$(ls usr/share/bash-completion/completions)" = "$tools" ]
[ "$(ls usr/share/zsh/vendor-completions)" = "$(printf '_%s\n' $tools)" ]
grep -q 'gpt2-train' usr/share/doc/gpt2-tools/README.md
[ -s usr/share/doc/gpt2-tools/copyright ]
if [ -d usr/share/man/man5 ]; then # where lowdown is
  grep -q '^end_of_text$' usr/share/man/man5/gpt2-token-shard.5 # not taken for emphasis
  for page in usr/share/man/man5/*; do grep -A 2 '^NAME$' "$page" | grep -q "^$(basename "$page" .5) - "; done
fi
for tool in $tools; do "$tool" --version | head -n 1; done >versions
[ "$(sort -u -k 3 versions | wc -l)" = 1 ]

echo 'one word and one more word' >text.txt
gpt2-tokenize train --vocab-size 260 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text
gpt2-shard cat shards/*.bin | gpt2-tokenize decode --vocab vocab | cmp - text.txt
