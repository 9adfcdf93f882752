# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# What a run says: plain lines without a terminal, one line redrawn on one, events apart from it, and at the end what it did
# and where it lies.
for number in {1..400}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text --val-tokens 500
settings=(--train 'shards/text_train_*.bin' --val 'shards/text_val_*.bin' --vocab vocab --layers 1 --heads 2 --channels 32
  --context 32 --total-batch-tokens 256 --max-steps 20 --val-every 10)
echo '{"activity_label": "A", "ctx_a": "B", "ctx_b": "c", "ctx": "a d", "label": 2, "endings": ["b", "ef", "g", "k"]}' >questions
events=(--sample-every 10 --sample-prompt $'the\nnumber' --hellaswag questions --hellaswag-every 10 --histogram-every 10)
gpt2-train "${settings[@]}" "${events[@]}" --out plain 2>words
grep -aqE '^gpt2-train: step 1/20  loss [0-9.]+  norm [0-9.]+  lr [0-9.e-]+  [0-9]+ tokens/s  .* left$' words
grep -aqE '^gpt2-train: step 10/20  validation loss [0-9.]+$' words
grep -aqE '^gpt2-train: step 10/20  HellaSwag [01].0000 of 1 questions$' words
grep -aA 2 '^gpt2-train: step 10/20  sample:$' words | sed 1d >sample # line by line
grep -aq '^gpt2-train:   | the$' sample # a sample may have any character
grep -aq '^gpt2-train:   | number' sample
grep -aqE '^gpt2-train: 20 steps in [0-9]+ s, [0-9]+ % training, [0-9]+ % validating, [0-9]+ % on HellaSwag, [0-9]+ % sampling, [0-9]+ % on hist' words
best=$(awk '$2 == "val" { print $3, $1 }' plain/log.txt | sort -n | head -n 1)
last=$(awk '$2 == "val" { print $3 }' plain/log.txt | tail -n 1)
grep -aqx "gpt2-train: validation loss $last, best ${best% *} at step ${best#* }" words
tail -n 1 words | grep -aqx 'gpt2-train: checkpoints in plain/checkpoints, losses in plain/metrics.jsonl; gpt2-plot plain draws them'

# The best of a run that goes on is the best of all its steps.
gpt2-train "${settings[@]}" --max-steps 30 --schedule constant --out more 2>/dev/null
sed -i -E 's/("kind": "val", "step": 10,.*"loss": )[0-9.]+/\11.5/' more/metrics.jsonl
gpt2-train --out more --resume latest --max-steps 40 2>words
grep -qE '^gpt2-train: validation loss [0-9.]+, best 1.5000 at step 10$' words

gpt2-train "${settings[@]}" --max-steps 400 --val-every 0 --progress on --out lines 2>words
grep -qE '^gpt2-train: large matrix products run at [0-9]+ GFLOP/s here' words
tr '\r' '\n' <words >lines_drawn
grep -qE '^step +[0-9]+/400  loss [0-9.]+ \(mean [0-9.]+\)  [0-9.]+[KMG]? tokens/s  [0-9:]+ left' lines_drawn
[ "$(grep '^step' lines_drawn | awk '{ if (length > longest) longest = length } END { print longest }')" -lt 80 ]
gpt2-train -q "${settings[@]}" --out quiet 2>words
[ ! -s words ]
