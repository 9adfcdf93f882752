# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Text to a trained model; a second start is refused, a resumed one ends at once; what may not change is refused.
for number in {1..3000}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text --val-tokens 2000
options=(--train shards/text_train_*.bin --val 'shards/text_val_*.bin' --vocab vocab --out run --layers 1 --heads 2
  --channels 32 --context 32 --total-batch-tokens 1Ki --max-steps 20 --learning-rate 1e-2 --sample-every 10)
returns() {
  local code=0
  "${@:2}" 2>words || code=$?
  [ $code = "$1" ] || { echo "$code from ${*:2}"; cat words; }
}
gpt2-train -q "${options[@]}"
[ "$(readlink run/checkpoints/latest)" = final ]
[ "$(grep -c ' train ' run/log.txt)" = 20 ]
[ "$(grep -c '"kind": "val"' run/metrics.jsonl)" = 2 ]
[ "$(grep -c '"kind": "sample"' run/metrics.jsonl)" = 2 ]
first=$(sed -n 's/^1 train //p' run/log.txt)
last=$(sed -n 's/^20 train //p' run/log.txt)
awk -v first="$first" -v last="$last" 'BEGIN { exit !(last < first - 1) }'

returns 73 gpt2-train "${options[@]}"
grep -q -e '--resume latest' words
sum=$(sha256sum run/metrics.jsonl run/checkpoints/final/*)
returns 0 gpt2-train "${options[@]}" --resume auto
returns 0 gpt2-train --out run --resume latest
[ "$sum" = "$(sha256sum run/metrics.jsonl run/checkpoints/final/*)" ]
returns 78 gpt2-train --out run --resume latest --seed 7
grep -q 'seed: 42 in the checkpoint, 7 now' words
returns 78 gpt2-train --out run --resume latest --train 'shards/text_val_*.bin'
returns 65 gpt2-train --out rum --resume latest
[ ! -e rum ]
returns 65 gpt2-train --out other --train 'nothing_*.bin'
returns 64 gpt2-train --out other --train 'shards/text_train_*.bin' --context 1000
grep -q '32000 and 36000' words

# What it wrote down begins an equal run.
gpt2-train -q --config run/config.yaml --out again
cmp run/checkpoints/final/model.safetensors again/checkpoints/final/model.safetensors
# A run goes on in another place, from another folder.
mv run moved
cd shards
returns 0 gpt2-train --out ../moved --resume latest
