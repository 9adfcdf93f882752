# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# The loss that transformers gives for a real Hugging Face directory (golden.json there).
model=${GPT2_TEST_DATA:-}/tiny-gpt2
[ -e "$model/model.safetensors" ] || { echo 'needs GPT2_TEST_DATA' >&2; exit 77; }
printf 'Hello world!' | gpt2-eval-loss --checkpoint "$model" --text - --json >json
grep -q '"token_count": 3,' json
grep -q '"byte_count": 12$' json
sed -n 's/^  "loss": \(.*\),$/\1/p' json | awk '{ if ($1 < 10.837056 || $1 > 10.837076) print "loss " $1 }'
