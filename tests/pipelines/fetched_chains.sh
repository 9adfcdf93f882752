#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# make hellaswag, wikitext103 and gpt2-124m at SCALE=tiny: each goes from files on a server, here the test's, to its end,
# does nothing the second time, and goes on where it was stopped or killed. Run from the root of the repository.
set -euo pipefail
data=${GPT2_TEST_DATA:-}
[ -n "$data" ] || { echo "skipped: GPT2_TEST_DATA is not set"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MAKELEVEL
export no_proxy=127.0.0.1 GPT2_CA_FILE=$work/certificates/authority.pem  # the server is on this machine
fail() { echo "$1"; cat "$work/words"; exit 1; }

files=$work/files
mkdir -p "$work/certificates" "$files"/{gpt2-vocab,hellaswag,wikitext-103,fineweb-edu-10B}
cp "$data"/gpt2/{encoder.json,vocab.bpe} "$files/gpt2-vocab"
cp -r "$data/tiny-gpt2" "$files"
head -n 12 "$data/hellaswag/hellaswag_val_first.jsonl" >"$files/hellaswag/hellaswag_val.jsonl"
for part in train valid test; do head -c 12000 "$data"/wikitext-2/valid.txt >"$files/wikitext-103/wiki.$part.raw"; done
cp "$data/containers/docs.zstd_rg256_v2.parquet" "$files/fineweb-edu-10B/000_00000.parquet"
mkfifo "$work/stdin"
(cd "$work" && exec serve_faults files certificates) <"$work/stdin" >"$work/url" &
exec 9>"$work/stdin"
until [ -s "$work/url" ]; do kill -0 $! && sleep 0.01; done

chain_of() {  # PREFIX... -- NAME VARIABLE...
  local prefix=()
  while [ "$1" != -- ]; do prefix+=("$1"); shift; done
  "${prefix[@]}" make --no-print-directory -f "pipelines/$2.mk" SCALE=tiny FROM="$(<"$work/url")" DATA="$work/data" \
    OUT="$work/$2" "${@:3}" >"$work/words" 2>&1
}
chain() { chain_of -- "$@" || fail "make $1 failed"; }
requests() { wc -l <"$work/requests.log"; }

chain hellaswag MODEL=tiny-gpt2 LIMIT=5
grep -q '^hellaswag: 5 of 12 items' "$work/words" || fail "not 5 questions"
[ "$(requests)" = 5 ] || fail "not 5 files"
chain hellaswag MODEL=tiny-gpt2
grep -q '^hellaswag: 12 items' "$work/words" || fail "not 12 questions"
grep -q '^== Fetch' "$work/words" && fail "something was fetched again"
[ "$(wc -l <"$work/hellaswag/items.jsonl")" = 13 ] || fail "not 12 items"

chain wikitext103
grep -q '"perplexity"' "$work/wikitext103/test.json" || fail "no perplexity"
chain gpt2-124m
grep -q '"item_count": 12' "$work/gpt2-124m/hellaswag.json" || fail "no accuracy"
grep -q '^6 hella ' "$work/gpt2-124m/run/log.txt" || fail "no accuracy in the log"
[ "$(requests)" = 11 ] || fail "not 11 requests: the vocabulary and the questions are shared"

rm "$work/data/fineweb-edu-10B/000_00000.parquet"  # the shards hold what was in it
for name in wikitext103 gpt2-124m; do
  chain $name
  grep -q '^== ' "$work/words" && fail "a second make $name made something again"
done
rm -r "$work/gpt2-124m/run" "$work/gpt2-124m/hellaswag.json"  # as if it had stopped after sharding
chain gpt2-124m
grep -q '^== Train' "$work/words" || fail "the training was not made again"
grep -q -e '^== Fetch' -e '^== Tokenise' "$work/words" && fail "more than the training was made again"
[ "$(requests)" = 11 ] || fail "something was fetched again"

# Killed with all its tools at random moments, it comes to the same weights and figures, whatever step was cut.
mv "$work/gpt2-124m" "$work/wanted"
RANDOM=7
for most_milliseconds in 100 200 300 900 2500; do
  chain_of exec setsid -- gpt2-124m &
  sleep "$(printf '%de-3' $((most_milliseconds / 2 + RANDOM % most_milliseconds)))"
  { kill -KILL -- -$! || true; wait $! || true; } 2>/dev/null
done
chain gpt2-124m
for file in export/model.safetensors hellaswag.json evaluation.json run/log.txt; do
  cmp "$work/wanted/$file" "$work/gpt2-124m/$file" || fail "$file is not that of a run left alone"
done

if make --no-print-directory -f pipelines/wikitext103.mk SCALE=tiny >"$work/words" 2>&1; then fail "no FROM was accepted"; fi
grep -q 'SCALE=tiny needs FROM=URL' "$work/words" || fail "it does not say what is missing"
