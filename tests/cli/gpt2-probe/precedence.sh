# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Flags, then environment, then --config, then defaults.
cat >c.yaml <<'END'
# a comment
out_dir: from_file
layers: 1
small: 1Ki
text: "quoted: text"
train: [a.bin, 'b c.bin']
json: true
END
show() { gpt2-probe --config c.yaml "$@" | grep -E '^(out-dir|layers|small|text|train|json|offset)='; }
show
echo
export GPT2_LAYERS=2 GPT2_SMALL=2 GPT2_TEXT='' GPT2_TRAIN='one word' GPT2_JSON=0
show
echo
show --layers 3 --train x y
