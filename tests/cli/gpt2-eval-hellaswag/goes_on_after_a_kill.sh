# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Killed at any moment, the same command goes on and ends with the same bytes; a limit is extended.
data=${GPT2_TEST_DATA:-}
[ -e "$data/tiny-gpt2/model.safetensors" ] || { echo 'needs GPT2_TEST_DATA' >&2; exit 77; }
evaluation=(gpt2-eval-hellaswag --checkpoint "$data/tiny-gpt2" --data "$data/hellaswag/hellaswag_val_first.jsonl" --limit 60 --json)
"${evaluation[@]}" --items whole.jsonl >wanted
[ "$(wc -l <whole.jsonl)" = 61 ]
# The check for leaks of a sanitizer build complains when it is killed itself, and that is no word of the tool.
LSAN_OPTIONS=detect_leaks=0 "${evaluation[@]}" --items items.jsonl >json &
for _ in {1..500}; do
  [ "$(cat items.jsonl.part 2>/dev/null | wc -l)" -lt 2 ] || break
  sleep 0.01
done
kill -KILL $! 2>/dev/null || true
{ wait $! || true; } 2>/dev/null
"${evaluation[@]}" --items items.jsonl | cmp - wanted
cmp items.jsonl whole.jsonl
"${evaluation[@]}" --items longer.jsonl --limit 25 >/dev/null
"${evaluation[@]}" --items longer.jsonl --threads 1 | cmp - wanted
cmp longer.jsonl whole.jsonl
[ -z "$(ls ./*.part 2>/dev/null)" ]
