#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# The demo's text: every chapter once, every 25th held out, no reference left. Run from the root of the repository.
set -euo pipefail
command -v bible >/dev/null || { echo "skipped: bible-kjv is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$1"; exit 1; }

pipelines/kjv_text.sh "$work"
[ "$(wc -l <"$work/heldout.jsonl") $(wc -l <"$work/train.jsonl")" = "48 1141" ] || fail "not 48 and 1141 chapters"
bytes=$(cat "$work/heldout.txt" "$work/train.txt" | wc -c)
[ "$bytes" -gt 4000000 ] && [ "$bytes" -lt 4300000 ] || fail "$bytes bytes of text, expected about 4.1 million"
grep -qE '^[0-9A-Za-z]+:[0-9]+ ' "$work/train.txt" "$work/heldout.txt" && fail "a reference is left"
grep -q 'In the beginning God created the heaven and the earth' "$work/train.txt" "$work/heldout.txt" ||
  fail "the first verse is missing"
gpt2-tokenize train --vocab-size 300 --out "$work/vocab" "$work/heldout.jsonl"
documents=$(gpt2-tokenize -v --vocab "$work/vocab" "$work/heldout.jsonl" 2>&1 >/dev/null | grep -o '[0-9]* documents')
[ "$documents" = "48 documents" ] || fail "gpt2-tokenize reads $documents"
