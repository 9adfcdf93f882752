# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# --profile shows what each operation took, at the end and when a signal ends the run; it changes no result.
for number in {1..2000}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text
options=(-q --train 'shards/text_train_*.bin' --vocab vocab --layers 2 --heads 2 --channels 32 --context 32 --batch-size 2
  --total-batch-tokens 256)
number_of() { grep '"kind": "profile"' "$1/metrics.jsonl" | sed -n "s/.*\"$2\": \([0-9.e+-]*\).*/\1/p"; }

gpt2-train "${options[@]}" --out plain --max-steps 3
gpt2-train "${options[@]}" --out run --max-steps 3 --profile 2>table
cmp plain/checkpoints/final/model.safetensors run/checkpoints/final/model.safetensors
! grep -q profile plain/metrics.jsonl

# 3 steps of 4 micro-batches of 64 tokens through 2 layers with 4 products each.
[ "$(number_of run matmul_forward.calls)" = 96 ]
products=$((32 * 96 + 32 * 32 + 32 * 128 + 128 * 32))
[ "$(number_of run matmul_forward.operations)" = $((3 * 4 * 2 * 2 * 64 * products)) ]
[ "$(number_of run adamw_update.calls)" = 3 ]
head -n 1 table | grep -q '^operation *calls *seconds *share'
grep -q '^matmul_forward  *96 ' table
# The shares make 100 % but for their roundings; the longest operation stands first.
awk '/%/ { sub(/ %.*/, ""); share[++rows] = $NF; all += $NF; if ($1 != "all" && rows > 1 && $NF > share[rows - 1]) exit 1 }
  END { if (rows < 10 || all < 99 || all > 101) { print rows " rows, " all " %"; exit 1 } }' table

gpt2-train "${options[@]}" --out stopped --max-steps 100000 --profile 2>table &
until grep -qs '"step": 2' stopped/metrics.jsonl; do sleep 0.01; done
kill -TERM $!
code=0
wait $! || code=$?
[ $code = 75 ]
grep -q '^matmul_forward ' table
[ -n "$(number_of stopped seconds)" ]
