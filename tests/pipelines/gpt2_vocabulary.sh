#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# VOCAB=gpt2 fetches GPT-2's vocabulary once, here from a server of the test, and the shards are made with it. Run from
# the root of the repository.
set -euo pipefail
[ -n "${GPT2_TEST_DATA:-}" ] || { echo "skipped: GPT2_TEST_DATA is not set"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MAKELEVEL
export no_proxy=127.0.0.1  # the server is on this machine
fail() { echo "$1"; cat "$work/words"; exit 1; }

mkdir -p "$work/files/gpt2-vocab"
cp "$GPT2_TEST_DATA"/gpt2/{encoder.json,vocab.bpe} "$work/files/gpt2-vocab"
mkfifo "$work/stdin"
(cd "$work" && exec serve_faults files) <"$work/stdin" >"$work/url" &
exec 9>"$work/stdin"
until [ -s "$work/url" ]; do kill -0 $! && sleep 0.01; done

shards() {
  GPT2_BASE_URL=$(<"$work/url") make --no-print-directory -f pipelines/train.mk TEXT=README.md VOCAB=gpt2 \
    DATA="$work/data" OUT="$work/out" "$work/out/shards/complete" >"$work/words" 2>&1 || fail "make failed"
}
shards
grep -q "^== Fetch GPT-2's vocabulary" "$work/words" || fail "the vocabulary was not fetched"
gpt2-shard info "$work"/out/shards/text_train_*.bin | grep -q ' 50257 ' || fail "the shards have another vocabulary"
rm -r "$work/out"
shards
grep -q '^== Fetch' "$work/words" && fail "the vocabulary was fetched again"
[ "$(wc -l <"$work/requests.log")" = 2 ] || fail "not two requests"
