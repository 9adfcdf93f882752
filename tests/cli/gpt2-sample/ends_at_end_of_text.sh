# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# With seed 27 the eleventh token is end-of-text, which is not printed.
"$CASE_DIR"/make_uniform_model model
gpt2-sample --checkpoint model --top-k 0 --max-tokens 100 --seed 27 --json >json
grep -q '"tokens": \[245, 247, 92, 110, 65, 94, 169, 164, 158, 65\], "finish": "end_of_text"}$' json
gpt2-sample --checkpoint model --top-k 0 --max-tokens 100 --seed 27 >text
[ "$(wc -c <text)" = 11 ]
# It can be passed over: the text goes on.
gpt2-sample --checkpoint model --top-k 0 --max-tokens 100 --seed 27 --ignore-end-of-text --json >json
grep -q '"tokens": \[245, 247, 92, 110, 65, 94, 169, 164, 158, 65, 256, [0-9, ]*\], "finish": "max_tokens"}$' json
[ "$(grep -o ',' json | wc -l)" -ge 99 ]
