#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# make train TEXT=... goes from a text to an export and a curve, does nothing the second time, and goes on where it was
# interrupted. Run from the root of the repository.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MAKELEVEL

cat README.md formats/*.md > "$work/text.txt"
cat > "$work/tiny.yaml" <<'YAML'
layers: 1
heads: 2
channels: 16
context: 32
batch-size: 2
total-batch-tokens: 128
max-steps: 6
learning-rate: 1e-3
val-every: 3
YAML
chain() {
  make --no-print-directory -f pipelines/train.mk TEXT="$work/text.txt" OUT="$work/out" \
    CONFIG="$work/tiny.yaml" VOCAB_SIZE=300 PROMPT='The header' "$@" >"$work/words" 2>&1 ||
    { cat "$work/words"; return 1; }
}
fail() { echo "$1"; cat "$work/words"; exit 1; }

chain
for made in vocab/vocab.json shards/text_val_000000.bin run/log.txt samples.txt export/model.safetensors \
  export/tokenizer.json curves.svg; do
  [ -s "$work/out/$made" ] || fail "$made was not made"
done
grep -q 'bits per byte' "$work/words" || fail "no bits per byte were said"
grep -q '^The header' "$work/out/samples.txt" || fail "the samples do not begin with the prompt"
gpt2-shard verify "$work"/out/shards/*.bin

before=$(sha256sum "$work/out/run/checkpoints/final/model.safetensors" "$work/out/evaluation.json")
chain
grep -q '^== ' "$work/words" && fail "a second run made something again"

rm -r "$work/out/run" "$work/out/evaluation.json"  # as if the chain had stopped after sharding
chain
grep -q '^== Train' "$work/words" || fail "the training was not made again"
grep -q '^== Tokenise' "$work/words" && fail "the shards were made again"
[ "$before" = "$(sha256sum "$work/out/run/checkpoints/final/model.safetensors" "$work/out/evaluation.json")" ] ||
  fail "the second training differs from the first"

if make --no-print-directory -f pipelines/train.mk TEXT="$work/none.txt" >"$work/words" 2>&1; then
  fail "a text that does not exist was accepted"
fi
grep -q 'none.txt: no such file' "$work/words" || fail "the missing text was not named"
