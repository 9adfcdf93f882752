# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A model goes to llm.c's file and comes back with the same weights; every tool that takes a model takes the file.
[ -n "${GPT2_TEST_DATA:-}" ] || { echo 'GPT2_TEST_DATA is not set' >&2; exit 77; }
model=$GPT2_TEST_DATA/tiny-gpt2
gpt2-export --checkpoint "$model" --out a
gpt2-export --checkpoint a --out llmc --format llmc
[ "$(ls llmc | tr '\n' ' ')" = 'export.json gpt2_tokenizer.bin model.bin ' ]
gpt2-export --checkpoint a --out llmc --format llmc 2>words
grep -q 'llmc holds a already: nothing new' words
gpt2-export --checkpoint llmc/model.bin --vocab a --out b
for file in config.json model.safetensors vocab.json merges.txt; do cmp a/$file b/$file; done
gpt2-export --checkpoint a --out llmc --format llmc --dtype bf16
gpt2-export -q --checkpoint llmc/model.bin --vocab a --out b --dtype bf16
gpt2-export -q --checkpoint a --out c --dtype bf16
cmp b/model.safetensors c/model.safetensors

gpt2-export -q --checkpoint a --out llmc --format llmc
echo 'a word and another word' >text.txt
gpt2-eval-loss --checkpoint a --text text.txt --json >expected
gpt2-eval-loss --checkpoint llmc/model.bin --vocab a --text text.txt --json | cmp expected -
gpt2-sample --checkpoint a --prompt word --max-tokens 5 >expected
gpt2-sample --checkpoint llmc/model.bin --vocab a --prompt word --max-tokens 5 | cmp expected -

for number in {1..80}; do echo "the number $number"; done | gpt2-tokenize --vocab a - | gpt2-shard --out-dir shards --prefix text
for source in a llmc/model.bin; do
  rm -rf run
  gpt2-train -q --init-from $source --vocab a --train shards/*.bin --out run --context 32 --batch-size 2 \
    --total-batch-tokens 64 --max-steps 2 --warmup-steps 0 --schedule constant
  [ ! -e log.txt ] || cmp log.txt run/log.txt
  cp run/log.txt .
done
