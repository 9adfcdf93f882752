# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# -v and --timing say how fast it went: on stderr, or as the last JSON object.
"$CASE_DIR"/make_uniform_model model
sample() { gpt2-sample --checkpoint model --prompt abc --top-k 94 --max-tokens 25 --num-sequences 2 "$@"; }
for option in -v --timing; do
  sample $option 2>stderr >stdout
  grep -qE '^gpt2-sample: 3 prompt tokens in [0-9.]+ s, 50 new tokens, [0-9.]+ tokens/s$' stderr
  sample | cmp - stdout
done
sample --json --timing >json
[ "$(wc -l <json)" = 3 ]
sample --json | cmp - <(head -n 2 json)
number='[0-9.e+-]+'
tail -n 1 json | grep -qE "^\{\"prompt_tokens\": 3, \"prompt_seconds\": $number, \"token_count\": 50, \"token_seconds\": $number, \"tokens_per_second\": $number\}$"
