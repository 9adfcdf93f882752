#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# HellaSwag with GPT-2 124M, fp32, on this CPU, by both conventions: gpt2-eval-hellaswag and transformers in turn.
# hellaswag_124m.sh VOCAB DATA [ROUNDS [MODEL]]: VOCAB holds GPT-2's tokenizer files, DATA is hellaswag_val.jsonl or its
# first lines; the weights are random, or those of MODEL. ITEMS in the environment: how many. The tools come from PATH,
# transformers from scripts/oracle_python.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
vocab=${1:?VOCAB} data=${2:?DATA} rounds=${3:-3} model=${4:-} items=${ITEMS:-24}
python=$("$here/../../scripts/oracle_python.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$model" ]; then
  gpt2-tokenize --vocab "$vocab" --text-field ctx "$data" | gpt2-shard --out-dir "$work" --prefix bench
  gpt2-train -q --train "$work/bench_train_*.bin" --vocab "$vocab" --out "$work/run" --batch-size 1 \
    --total-batch-tokens 1024 --max-steps 1 --save-every-epochs 0 --save-every-seconds 0
  model=$work/run/checkpoints/final
fi
seconds() {  # LIMIT
  local begin=$EPOCHREALTIME
  gpt2-eval-hellaswag --checkpoint "$model" --data "$data" --limit "$1" >/dev/null
  awk -v begin="$begin" -v end="$EPOCHREALTIME" 'BEGIN { print end - begin }'
}
seconds 1 >/dev/null  # the weights are in memory from here on
for ((round = 0; round < rounds; ++round)); do
  # Less one item alone: without the time that the model takes to load.
  awk -v many="$(seconds $((4 * items + 1)))" -v one="$(seconds 1)" -v items=$((4 * items)) \
    'BEGIN { printf "gpt2-eval-hellaswag, both: %.3f items/s\n", items / (many - one) }'
  "$python" "$here/transformers_hellaswag.py" "$model" --data "$data" --items "$items"
done
