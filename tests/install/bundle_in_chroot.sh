#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A bundle works on a machine that has nothing but Debian's smallest system: bundle_in_chroot.sh ARCHIVE ROOT. ROOT is
# what `debootstrap --variant=minbase SUITE ROOT` makes; this wants to be root, for chroot. Text goes all the way to a
# trained, evaluated, sampled and exported model, from a folder that the bundle was not made for.
set -euo pipefail
archive=${1:?bundle_in_chroot.sh ARCHIVE ROOT}
root=${2:?bundle_in_chroot.sh ARCHIVE ROOT}
place=$(mktemp -d "$root/bundle.XXXXXX")
trap 'rm -rf "$place"' EXIT
mkdir "$place/a folder"
xz -dc "$archive" | tar -C "$place/a folder" --strip-components=1 -x
cat >"$place/try.sh" <<'SCRIPT'
set -eu
cd "$1"
PATH="$PWD/a folder/bin:$PATH"
for tool in "a folder"/bin/*; do "$tool" --help >/dev/null; done
yes 'one word and one more word.' | head -n 400 >text.txt
gpt2-tokenize train --vocab-size 260 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text --val-tokens 500
gpt2-train --train 'shards/*_train_*' --val 'shards/*_val_*' --vocab vocab --out run --layers 1 --heads 2 --channels 32 \
  --context 32 --batch-size 2 --total-batch-tokens 256 --max-steps 5 --device cpu -q
gpt2-eval-loss --checkpoint run --shards 'shards/*_val_*' --device cpu
gpt2-sample --checkpoint run --prompt one --max-tokens 8 --device cpu
gpt2-export --checkpoint run --out exported --format hf
gpt2-plot run --out curves.svg
test -s exported/model.safetensors
test -s curves.svg
SCRIPT
# The loader learns from /proc where a program lies; the mount is gone with its name space.
unshare --mount sh -c 'mount -t proc proc "$1/proc" && exec chroot "$1" /bin/sh "$2/try.sh" "$2"' sh "$root" "/${place##*/}"
