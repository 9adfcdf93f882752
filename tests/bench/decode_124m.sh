#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Decoding of GPT-2 124M, fp32, on this CPU: gpt2-sample and transformers in turn, 128 new tokens of one sequence after
# a prompt of some 250 tokens; then 4 and 16 sequences at once. decode_124m.sh VOCAB TEXT [ROUNDS [MODEL]]: VOCAB holds
# GPT-2's tokenizer files, TEXT at least 100 KB of text; the weights are those of one training step, in MODEL if it is
# there. The tools come from PATH, transformers from scripts/oracle_python.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
vocab=${1:?VOCAB} text=${2:?TEXT} rounds=${3:-3} model=${4:-}
python=$("$here/../../scripts/oracle_python.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$model" ]; then
  gpt2-tokenize --vocab "$vocab" "$text" | gpt2-shard --out-dir "$work" --prefix bench
  gpt2-train -q --train "$work/bench_train_*.bin" --vocab "$vocab" --out "$work/run" --batch-size 1 \
    --total-batch-tokens 1024 --max-steps 1 --save-every-epochs 0 --save-every-seconds 0
  model=$work/run/checkpoints/final
fi
head -c 800 "$text" >"$work/prompt"
sample() {  # SEQUENCES
  gpt2-sample --checkpoint "$model" --prompt-file "$work/prompt" --max-tokens 128 --num-sequences "$1" \
    --ignore-end-of-text --json --timing | tail -n 1 |
    sed -n 's/.*"prompt_tokens": \([^,]*\), "prompt_seconds": \([^,]*\),.*"tokens_per_second": \([^}]*\)}/\1 \2 \3/p' |
    awk -v n="$1" '{ printf "gpt2-sample, %d sequence(s): prompt %.0f tokens/s, new %.1f tokens/s\n", n, $1 / $2, $3 }'
}
for ((round = 0; round < rounds; ++round)); do
  sample 1
  "$python" "$here/transformers_decode.py" "$model" --prompt-file "$work/prompt"
done
sample 4
sample 16
