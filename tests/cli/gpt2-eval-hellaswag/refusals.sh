# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Exit codes and the words that say what is wrong.
"$CASE_DIR"/../gpt2-sample/make_uniform_model model
"$CASE_DIR"/../gpt2-sample/make_uniform_model larger aa
good='{"activity_label": "A", "ctx_a": "B", "ctx_b": "d", "ctx": "B d", "label": 1, "endings": ["b", "c", "d", "e"]}'
echo "$good" >good.jsonl
{ cat good.jsonl; echo "${good/, \"e\"/}"; } >three.jsonl
{ cat good.jsonl; echo; echo "${good/: 1,/: 4,}"; } >label.jsonl
{ cat good.jsonl; head -c 50 good.jsonl; } >cut.jsonl
echo "${good/\"c\"/\"far too long\"}" >long.jsonl
: >empty.jsonl
mkdir bare
cp model/config.json model/model.safetensors bare
refused() {  # CODE WORDS OPTION...
  local wanted=$1 words=$2 code=0
  shift 2
  gpt2-eval-hellaswag "$@" >stdout 2>stderr || code=$?
  if [ $code != "$wanted" ] || [ -s stdout ] || ! grep -qF -- "$words" stderr || [ "$(wc -l <stderr)" != 1 ]; then
    echo "gpt2-eval-hellaswag $*: exit $code"
    cat stderr stdout
  fi
}
refused 64 '--data FILE must be given' --checkpoint model
refused 64 '--labels: hellaswag has its answers in its lines' --checkpoint model --data good.jsonl --labels good.jsonl
refused 64 --task --checkpoint model --data good.jsonl --task boolq
refused 65 'no-such-file: No such file' --checkpoint model --data no-such-file
refused 65 'empty.jsonl: has no question' --checkpoint model --data empty.jsonl
refused 65 'three.jsonl:2: endings: has 3 texts, not 4' --checkpoint model --data three.jsonl
refused 65 'label.jsonl:3: label: is 4; it must be from 0 to 3' --checkpoint model --data label.jsonl
refused 65 'cut.jsonl:2: ' --checkpoint model --data cut.jsonl
refused 65 'long.jsonl:1: choice 1 has 13 tokens, more than the model'"'"'s context of 8' --checkpoint model --data long.jsonl
refused 65 'standard input:1: text: is missing' --checkpoint model --data - --task lambada <good.jsonl
refused 65 'no tokenizer files; name a folder that has them with --vocab' --checkpoint bare --data good.jsonl
refused 65 'no-model' --checkpoint no-model --data good.jsonl
refused 78 'the tokenizer has 258 tokens, but the model' --checkpoint model --vocab larger --data good.jsonl
refused 74 'no-folder' --checkpoint model --data good.jsonl --items no-folder/items.jsonl
gpt2-eval-hellaswag --checkpoint bare --vocab model --data good.jsonl --items items.jsonl >/dev/null
refused 73 'items.jsonl: holds an evaluation of another model, tokenizer, task or other data' --checkpoint larger --data good.jsonl --items items.jsonl
cp items.jsonl kept
sed -i 's/"label": 1/"label": 2/' items.jsonl
refused 65 'items.jsonl: item 0 is not that of the data' --checkpoint model --data good.jsonl --items items.jsonl
sed -i 's/index/inbex/' items.jsonl
refused 65 'items.jsonl:2: index: is missing' --checkpoint model --data good.jsonl --items items.jsonl
