# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Exit codes and the words that say what to do.
"$CASE_DIR"/make_uniform_model model
refused() {  # CODE WORDS OPTION...
  local wanted=$1 words=$2 code=0
  shift 2
  gpt2-sample "$@" >stdout 2>stderr || code=$?
  if [ $code != "$wanted" ] || [ -s stdout ] || ! grep -qF -- "$words" stderr || [ "$(wc -l <stderr)" != 1 ]; then
    echo "gpt2-sample $*: exit $code"
    cat stderr stdout
  fi
}
refused 64 --checkpoint --prompt x
refused 64 temperature --checkpoint model --temperature -1
refused 64 temperature --checkpoint model --temperature nan
refused 64 top-p --checkpoint model --top-p 1.5
refused 64 top-k --checkpoint model --top-k -3
refused 64 tokens --checkpoint model --max-tokens 0
refused 64 sequences --checkpoint model --num-sequences 0
refused 64 'not by both' --checkpoint model --prompt a --prompt-file b
refused 64 'a CPU computes in fp32 only' --checkpoint model --precision bf16
refused 64 threads --checkpoint model --threads -2
refused 65 nowhere --checkpoint nowhere
refused 65 no-such-file --checkpoint model --prompt-file no-such-file
refused 65 no-such-vocabulary --checkpoint model --vocab no-such-vocabulary
refused 69 cuda --checkpoint model --device cuda

mkdir bare
cp model/config.json model/model.safetensors bare
refused 65 --vocab --checkpoint bare
gpt2-sample --checkpoint bare --vocab model --max-tokens 1 >/dev/null
"$CASE_DIR"/make_uniform_model larger aa
refused 78 '258' --checkpoint model --vocab larger
bytes=$(wc -c <model/model.safetensors)
printf '\000\000\300\177' | dd of=model/model.safetensors bs=1 seek=$((bytes - 4)) conv=notrunc status=none
refused 65 'is nan' --checkpoint model
