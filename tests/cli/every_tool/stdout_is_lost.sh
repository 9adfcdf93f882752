# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Whatever a tool writes to stdout: a device that is full is 74, told in one line; a reader that has gone ends it quietly.
input=/dev/null
lost() {  # WORD... : the tool's arguments
  local code=0
  "$TOOL" "$@" <$input >/dev/full 2>words || code=$?
  if [ $code != 74 ] || [ "$(grep -c 'No space left on device' words)" != 1 ] || [ "$(wc -l <words)" != 1 ]; then
    echo "$TOOL $* >/dev/full: exit code $code, says: $(<words)"
  fi
  mkfifo pipe
  exec 3<>pipe 4>pipe 3<&-  # a pipe without a reader
  rm pipe
  code=0
  "$TOOL" "$@" <$input >&4 2>words || code=$?
  exec 4>&-
  if [ $code != 141 ] || [ -s words ]; then echo "$TOOL $* without a reader: exit code $code, says: $(<words)"; fi
}
lost --help
lost --version
lost --print-config
case $TOOL in
  gpt2-probe*) exit 0 ;;
  gpt2-fetch)
    lost --list
    lost --list --json
    exit 0
    ;;
esac
"$CASE_DIR"/../gpt2-sample/make_uniform_model model
echo 'some text' >text
gpt2-tokenize --vocab model text >stream
gpt2-shard --out-dir . --prefix p <stream
case $TOOL in
  gpt2-tokenize)
    lost --vocab model text
    lost train --json --force --vocab-size 257 --out vocab text
    input=stream
    lost decode --vocab model
    ;;
  gpt2-shard)
    lost info p_train_000000.bin
    lost info --json p_train_000000.bin
    lost verify --json p_train_000000.bin
    lost cat p_train_000000.bin
    ;;
  gpt2-eval-loss)
    lost --checkpoint model --text text
    lost --checkpoint model --text text --json
    lost --checkpoint model --shards p_train_000000.bin
    ;;
  gpt2-sample)
    lost --checkpoint model --max-tokens 4
    lost --checkpoint model --max-tokens 4 --json
    ;;
  gpt2-plot)
    mkdir run
    echo '{"kind":"train","step":1,"time":1,"loss":4,"learning_rate":0.001,"gradient_norm":2}' >run/metrics.jsonl
    lost run --json
    ;;
esac
