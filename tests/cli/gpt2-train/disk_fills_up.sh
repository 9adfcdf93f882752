# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A disk that fills up while the run saves: 74, what was saved before is whole, nothing unfinished stays, and with room
# again the run ends as one that always had it.
unshare -rm mount -t tmpfs none /mnt 2>/dev/null || { echo 'no file system can be mounted here' >&2; exit 77; }
for number in {1..400}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text
settings=(--train "$PWD/shards/text_train_*.bin" --vocab "$PWD/vocab" --layers 2 --heads 2 --channels 64 --context 32
  --total-batch-tokens 256 --max-steps 12 --save-every-steps 2 --threads 1)
gpt2-train -q "${settings[@]}" --out whole
cat >on_small_disk.sh <<'END'
set -euo pipefail
mkdir disk
mount -t tmpfs -o size=5m none disk
code=0
gpt2-train -q "$@" --out disk/run 2>words || code=$?
[ $code = 74 ] || { echo "exit code $code"; cat words; }
[ "$(wc -l <words)" = 1 ] || cat words
grep -q 'No space left on device' words
grep -q -e '--resume latest' words || cat words
[ -z "$(find disk -name '.tmp-*')" ] || find disk -name '.tmp-*'
mount -o remount,size=100m disk
gpt2-train -q --out disk/run --resume latest
cmp whole/checkpoints/final/model.safetensors disk/run/checkpoints/final/model.safetensors
cmp whole/log.txt disk/run/log.txt
END
unshare -rm bash on_small_disk.sh "${settings[@]}"
