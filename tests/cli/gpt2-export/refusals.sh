# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# What cannot be exported: one line, the exit code of its kind, nothing written.
source "$CASE_DIR/../refusal.bash"
said() {  # said CODE PATTERN ARGUMENT...
  local code=$1 pattern=$2
  shift 2
  refusal $code gpt2-export "$@" >words
  [ "$(wc -l <words)" = 1 ] && grep -qE "$pattern" words || { echo "no '$pattern' alone in:"; cat words; exit 1; }
}
"$CASE_DIR"/../gpt2-sample/make_uniform_model model ab
"$CASE_DIR"/../gpt2-sample/make_uniform_model smaller
said 64 'must be given' --checkpoint model
said 64 'onnx' --checkpoint model --out out --format onnx
said 64 'hf has no --dtype q8_0; choose f32 or bf16 or f16' --checkpoint model --out out --dtype q8_0
said 64 'llmc has no --dtype f16; choose f32 or bf16' --checkpoint model --out out --format llmc --dtype f16
said 64 'rows of 2 values; q8_0 needs a multiple of 32' --checkpoint model --out out --format gguf --dtype q8_0
said 65 'none' --checkpoint none --out out
said 65 'no model file of llm.c' --checkpoint model/config.json --out out
cp -r model wordless
rm wordless/vocab.json wordless/merges.txt wordless/tokenizer*.json
said 65 'wordless: has no vocabulary, which gguf needs; name its folder with --vocab' --checkpoint wordless --out out --format gguf
said 65 'vocab|tokenizer' --checkpoint model --out out --vocab nowhere
mkdir empty
said 65 'empty' --checkpoint empty --out out
said 78 'tokens' --checkpoint smaller --out out --vocab model
cp -r model poisoned
printf '\0\0\xc0\x7f' | dd of=poisoned/model.safetensors bs=1 seek=$(($(stat -c %s model/model.safetensors) - 4)) conv=notrunc status=none
said 65 'h.0.mlp.c_proj.bias.*nan' --checkpoint poisoned --out out
[ "$(ls -A | tr '\n' ' ')" = 'empty model poisoned refused.stderr refused.stdout smaller wordless words ' ]
mkdir out
echo mine >out/notes
said 73 'is not an export' --checkpoint model --out out
said 73 'is not an export' --checkpoint model --out out --force
[ "$(cat out/notes)" = mine ]
