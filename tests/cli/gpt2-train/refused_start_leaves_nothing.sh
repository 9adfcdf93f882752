# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Whatever a start is refused for, it leaves no folder behind, nor a change in one that was there.
for number in {1..400}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
gpt2-tokenize train --vocab-size 310 --out other text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text
small=(--layers 1 --heads 2 --channels 32 --context 32)
refused() {
  local code=0
  gpt2-train --out deep/run "${@:2}" 2>words || code=$?
  [ $code = "$1" ] || { echo "$code from ${*:2}"; cat words; }
  [ "$(wc -l <words)" = 1 ] || cat words
  [ ! -e deep ] || find deep
}
refused 64 --train 'shards/*.bin' "${small[@]}" --total-batch-tokens 1000
refused 64 --train 'shards/*.bin' "${small[@]}" --total-batch-tokens 1Ki --warmup-steps 100 --max-steps 100
refused 64 --train 'shards/*.bin' --layers 1 --heads 3 --channels 32
refused 64 --train 'shards/*.bin' "${small[@]}" --total-batch-tokens 1Ki --sample-every 1
refused 65 --train 'shards/*.bin' "${small[@]}" --vocab nowhere
refused 65 --train 'nowhere_*.bin'
refused 65 --train shards/*.bin --val vocab/vocab.json
refused 65 --train 'shards/*.bin' --context 100000 --total-batch-tokens 400000
refused 65 --train 'shards/*.bin' --init-from vocab
refused 65 --resume latest
refused 65 --resume vocab
refused 78 --train 'shards/*.bin' "${small[@]}" --vocab other

mkdir empty
code=0
gpt2-train --out empty --resume latest 2>words || code=$?
[ $code = 65 ]
[ -z "$(ls -A empty)" ]
echo mine >file
code=0
gpt2-train --out file --train 'shards/*.bin' 2>words || code=$?
[ $code = 73 ]
[ "$(cat file)" = mine ]
