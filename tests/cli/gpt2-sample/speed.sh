# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# -v says how fast it went, on stderr.
"$CASE_DIR"/make_uniform_model model
gpt2-sample --checkpoint model --top-k 94 --max-tokens 25 --num-sequences 2 -v 2>stderr >/dev/null
grep -qE '^gpt2-sample: 50 tokens in [0-9.]+ s, [0-9.]+ tokens/s$' stderr
