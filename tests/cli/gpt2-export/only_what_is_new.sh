# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A second run finds nothing new, says so and leaves the export alone; --force and another type make it anew.
"$CASE_DIR"/../gpt2-sample/make_uniform_model model ab
gpt2-export --checkpoint model --out out
[ "$(ls out | tr '\n' ' ')" = 'config.json export.json generation_config.json merges.txt model.safetensors tokenizer.json tokenizer_config.json vocab.json ' ]
stat -c '%i %Y' out/* >before
gpt2-export --checkpoint model --out out 2>words
[ "$(cat words)" = 'gpt2-export: out holds model already: nothing new' ]
gpt2-export -q --checkpoint model --out out/
stat -c '%i %Y' out/* | cmp before -
gpt2-export --checkpoint model --out out --force
stat -c '%i %Y' out/* | cmp -s before - && exit 1
gpt2-export -v --checkpoint model --out out --dtype bf16 2>words
[ "$(cat words)" = 'gpt2-export: exported model to out' ]
grep -q '"dtype": "bfloat16"' out/config.json
gpt2-export -q --checkpoint model --out out --dtype bf16
