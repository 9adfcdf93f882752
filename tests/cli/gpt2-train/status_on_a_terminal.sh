# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# On a terminal the status stays in one line of whatever width there is, what matters most first; events are bold, unless
# NO_COLOR asks for plain text.
. "$CASE_DIR/../terminal.bash"
for number in {1..400}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text --val-tokens 500
train() { # COLUMNS OUT
  script -qec "stty cols $1; gpt2-train --train 'shards/text_train_*.bin' --val 'shards/text_val_*.bin' --vocab vocab --layers 1 \
    --heads 2 --channels 32 --context 32 --total-batch-tokens 256 --max-steps 200 --val-every 100 --out $2" /dev/null
}
bold=$'\033[1m'
for columns in 60 160; do
  TERM=xterm train $columns run_$columns >screen
  tr '\r' '\n' <screen | sed 's/ *$//' | grep '^step' >drawn
  [ "$(awk '{ if (length > longest) longest = length } END { print longest }' drawn)" -lt $columns ]
  grep -qE '^step +[0-9]+/200  loss [0-9.]+ \(mean [0-9.]+\)' drawn
  grep -qF "gpt2-train: ${bold}step 100/200  validation loss" screen
done
grep -qE 'left  +[0-9]+ % of peak  norm [0-9.]+  lr [0-9.e-]+  save in [0-9:]+$' drawn # there is room for all of it
NO_COLOR=1 TERM=xterm train 80 plain >screen
grep -qF 'gpt2-train: step 100/200  validation loss' screen
! grep -qF $'\033' screen
