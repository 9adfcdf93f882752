#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# GPT-2 124M training steps, B 4, T 1024, fp32, on this CPU: gpt2-train and PyTorch in turn, tokens a second and peak
# memory. train_124m.sh VOCAB TEXT [ROUNDS]: VOCAB holds GPT-2's tokenizer files, TEXT at least 100 KB of text. The
# tools come from PATH, PyTorch from scripts/oracle_python.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
vocab=${1:?VOCAB} text=${2:?TEXT} rounds=${3:-2}
python=$("$here/../../scripts/oracle_python.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gpt2-tokenize --vocab "$vocab" "$text" | gpt2-shard --out-dir "$work" --prefix bench
for ((round = 0; round < rounds; ++round)); do
  rm -rf "$work/run"
  gpt2-train -q --train "$work/bench_train_*.bin" --out "$work/run" --total-batch-tokens 4096 --max-steps 4 \
    --save-every-epochs 0 --save-every-seconds 0 &
  peak=0
  while current=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/$!/status 2>/dev/null) && [ -n "$current" ]; do
    peak=$current
    sleep 0.5
  done
  wait $!
  sed -n 's/.*"kind": "train", "step": \([2-9]\).*"loss": \([0-9.]*\).*"tokens_per_second": \([0-9.]*\).*/gpt2-train: \3 tokens\/s, loss \2/p' \
    "$work/run/metrics.jsonl"
  awk -v peak=$peak 'BEGIN { printf "gpt2-train: %.2f GiB at most\n", peak / 1048576 }'
  "$python" "$here/torch_train.py" "$work/bench_train_000000.bin" --steps 4
done
