# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Real questions and a Hugging Face directory: counts that transformers gives, too (tests/oracle/hellaswag.py).
data=${GPT2_TEST_DATA:-}
[ -e "$data/tiny-gpt2/model.safetensors" ] || { echo 'needs GPT2_TEST_DATA' >&2; exit 77; }
gpt2-eval-hellaswag --checkpoint "$data/tiny-gpt2" --data "$data/hellaswag/hellaswag_val_first.jsonl" --limit 40
