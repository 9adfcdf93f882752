# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# --prompt, a file and stdin are one; a file's bytes stay as they are, its last newline too.
"$CASE_DIR"/make_uniform_model model
sample() { gpt2-sample -q --checkpoint model --top-k 94 --max-tokens 5 "$@"; }
printf 'two\r\nlines\n' >prompt
sample --prompt "$(printf 'two\r\nlines\nx')" >wanted
printf x >>prompt
sample --prompt-file prompt | cmp - wanted
sample --prompt-file - <prompt | cmp - wanted
printf 'line\n' >prompt
sample --prompt-file prompt | sed -n 1p | grep -qx line
# <|endoftext|> in a prompt is ordinary text; without a prompt the text begins after a real one.
sample --prompt '<|endoftext|>' | grep -qxF '<|endoftext|>fD/}#'
sample | grep -qxF 'fD/}#'
