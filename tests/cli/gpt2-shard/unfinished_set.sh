# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A set whose writer was killed while the files got their names is not taken for a whole one by any tool, until the next
# gpt2-shard puts back what was there.
source "$CASE_DIR/stream.bash"
make_stream 20 >stream
gpt2-shard --out-dir shards --prefix p --tokens-per-shard 40 <stream
ls shards >names
# What a kill leaves after two names: formats/token_shard.md.
mkdir -p shards/.tmp-p/taking
mv shards/p_train_000000.bin shards/.tmp-p
refused() {  # COMMAND...
  local code=0
  "$@" >stdout 2>stderr || code=$?
  if [ $code != 65 ] || [ -s stdout ] || ! grep -q 'shards/p_train_000001.bin: belongs to a set that is not whole' stderr; then
    echo "$*: exit code $code"
    cat stdout stderr
  fi
}
refused gpt2-shard verify shards/p_train_000001.bin
refused gpt2-shard info 'shards/p_*.bin'
refused gpt2-shard cat 'shards/p_*.bin'
refused gpt2-train --train 'shards/p_*.bin' --out run --layers 1 --heads 1 --channels 8 --context 8
"$CASE_DIR"/../gpt2-sample/make_uniform_model model
refused gpt2-eval-loss --checkpoint model --shards 'shards/p_*.bin'
[ ! -e run ]

# There was nothing before, so the names are free again.
gpt2-shard --out-dir shards --prefix p --tokens-per-shard 40 <stream
ls -A shards | cmp - names
gpt2-shard verify 'shards/p_*.bin'
