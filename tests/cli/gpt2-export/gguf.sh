# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# model.gguf of every type, which replaces an export of another format and is not made again.
[ -n "${GPT2_TEST_DATA:-}" ] || { echo 'GPT2_TEST_DATA is not set' >&2; exit 77; }
model=$GPT2_TEST_DATA/tiny-gpt2
gpt2-export --checkpoint "$model" --out out
for dtype in f32 bf16 f16; do
  gpt2-export --checkpoint "$model" --out out --format gguf --dtype $dtype
  [ "$(ls out | tr '\n' ' ')" = 'export.json model.gguf ' ]
  [ "$(head -c 4 out/model.gguf)" = GGUF ]
  gpt2-export --checkpoint "$model" --out out --format gguf --dtype $dtype 2>words
  grep -q 'nothing new' words
done
