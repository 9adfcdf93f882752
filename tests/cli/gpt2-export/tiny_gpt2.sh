# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A Hugging Face model comes out with the same weights, and its export exports to itself.
[ -n "${GPT2_TEST_DATA:-}" ] || { echo 'GPT2_TEST_DATA is not set' >&2; exit 77; }
gpt2-export --checkpoint "$GPT2_TEST_DATA/tiny-gpt2" --out a
gpt2-export --checkpoint a --out b
for file in config.json model.safetensors vocab.json merges.txt tokenizer.json tokenizer_config.json; do cmp a/$file b/$file; done
cmp a/merges.txt "$GPT2_TEST_DATA/tiny-gpt2/merges.txt"
gpt2-export --checkpoint a --out c --dtype f16
[ $((2 * $(stat -c %s c/model.safetensors))) -lt $(($(stat -c %s a/model.safetensors) + 8000)) ]
