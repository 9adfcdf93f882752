# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# The accuracy in the log is that of gpt2-eval-hellaswag on the checkpoint.
for number in {1..3000}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text
for number in {11..50}; do
  printf '{"activity_label": "A", "ctx_a": "the number %d", "ctx_b": "", "ctx": "the number %d", "label": %d, "endings": %s}\n' \
    "$number" "$number" $((number % 4)) '["comes after", "after comes 7", "the number", "comes"]'
done >questions.jsonl
gpt2-train -q --train 'shards/*.bin' --vocab vocab --out run --layers 1 --heads 2 --channels 32 --context 32 \
  --total-batch-tokens 256 --max-steps 8 --hellaswag questions.jsonl --hellaswag-every 3
[ "$(sed -n 's/ hella .*//p' run/log.txt | tr '\n' ' ')" = '3 6 8 ' ]
gpt2-eval-hellaswag --checkpoint run --data questions.jsonl --json | sed -n '/"llmc"/,/}/s/.*"acc_norm": \(.*\),/\1/p' >accuracy
sed -n 's/.*"kind": "hella", "step": 8,.*"accuracy": \([^,]*\), "items": 40}/\1/p' run/metrics.jsonl | cmp - accuracy
[ "$(sed -n 's/^8 hella //p' run/log.txt)" = "$(printf %.4f "$(cat accuracy)")" ]
