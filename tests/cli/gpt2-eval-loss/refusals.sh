# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Exit codes and the words that say what is wrong.
"$CASE_DIR"/../gpt2-sample/make_uniform_model model
echo 'aa aa aa' >text
"$CASE_DIR"/../gpt2-sample/make_uniform_model larger aa
gpt2-tokenize --vocab larger text | gpt2-shard --out-dir larger_shards --prefix p
gpt2-tokenize --vocab model text | gpt2-shard --out-dir shards --prefix p
refused() {  # CODE WORDS OPTION...
  local wanted=$1 words=$2 code=0
  shift 2
  gpt2-eval-loss "$@" >stdout 2>stderr || code=$?
  if [ $code != "$wanted" ] || [ -s stdout ] || ! grep -qF -- "$words" stderr || [ "$(wc -l <stderr)" != 1 ]; then
    echo "gpt2-eval-loss $*: exit $code"
    cat stderr stdout
  fi
}
refused 64 --shards --checkpoint model
refused 64 'one of the two' --checkpoint model --text text --shards shards/*.bin
refused 64 --separator --checkpoint model --shards shards/*.bin --separator x
refused 64 'stride of 9 and a context of 8' --checkpoint model --text text --stride 9
refused 64 'context of 9' --checkpoint model --text text --context 9
refused 64 '--stride: -1 is too small; the least is 0' --checkpoint model --text text --stride -1
refused 64 '--batch-size: 0 is too small; the least is 1' --checkpoint model --text text --batch-size 0
refused 65 no-such-file --checkpoint model --text no-such-file
refused 65 'no-such-*.bin' --checkpoint model --shards 'no-such-*.bin'
refused 65 '/dev/null: there is no token to score' --checkpoint model --text /dev/null
refused 65 'standard input: there is no token to score' --checkpoint model --text - </dev/null
refused 78 258 --checkpoint model --shards larger_shards/*.bin
refused 78 257 --checkpoint model --shards larger_shards/*.bin
refused 78 258 --checkpoint model --text text --vocab larger

# The same size, other tokens.
"$CASE_DIR"/../gpt2-sample/make_uniform_model ab ab
"$CASE_DIR"/../gpt2-sample/make_uniform_model cd cd
gpt2-tokenize --vocab ab text | gpt2-shard --out-dir ab_shards --prefix p
gpt2-eval-loss --checkpoint ab --shards ab_shards/*.bin >/dev/null
refused 78 fingerprint --checkpoint cd --shards ab_shards/*.bin
refused 78 fingerprint --checkpoint ab --vocab cd --shards ab_shards/*.bin
