# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# 76 when no step is finite any more.
for number in {1..400}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text
code=0
gpt2-train --train 'shards/text_train_*.bin' --out run --layers 1 --heads 2 --channels 32 --context 32 \
  --total-batch-tokens 256 --max-steps 100 --learning-rate 1e30 --max-bad-steps 3 2>words || code=$?
[ $code = 76 ]
grep -q '3 steps in a row' words
