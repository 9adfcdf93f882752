# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# What a run says: plain lines without a terminal, one line redrawn on one, and at the end what it did and where it lies.
for number in {1..400}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text --val-tokens 500
settings=(--train 'shards/text_train_*.bin' --val 'shards/text_val_*.bin' --vocab vocab --layers 1 --heads 2 --channels 32
  --context 32 --total-batch-tokens 256 --max-steps 20 --val-every 10)
gpt2-train "${settings[@]}" --out plain 2>words
grep -qE '^gpt2-train: step 1/20  loss [0-9.]+  norm [0-9.]+  lr [0-9.e-]+  [0-9]+ tokens/s  .* left$' words
grep -qE '^gpt2-train: step 10/20  validation loss [0-9.]+$' words
grep -qE '^gpt2-train: 20 steps in [0-9]+ s, [0-9]+ % validating' words
best=$(awk '$2 == "val" { print $3, $1 }' plain/log.txt | sort -n | head -n 1)
last=$(awk '$2 == "val" { print $3 }' plain/log.txt | tail -n 1)
grep -qx "gpt2-train: validation loss $last, best of this start ${best% *} at step ${best#* }" words
tail -n 1 words | grep -qx 'gpt2-train: checkpoints in plain/checkpoints, losses in plain/metrics.jsonl; gpt2-plot plain draws them'

gpt2-train "${settings[@]}" --max-steps 1000 --val-every 0 --progress on --out lines 2>words
tr '\r' '\n' <words | grep -qE '^step [0-9]+/1000  loss [0-9.]+ \(mean [0-9.]+\)  [0-9.]+[KMG]? tokens/s  [0-9:]+ left'
gpt2-train -q "${settings[@]}" --out quiet 2>words
[ ! -s words ]
