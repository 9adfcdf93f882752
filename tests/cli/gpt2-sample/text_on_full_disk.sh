# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# What stdout does not take ends the tool with 74.
"$CASE_DIR"/make_uniform_model model
for form in --json --json=false; do
  code=0
  gpt2-sample --checkpoint model $form >/dev/full 2>stderr || code=$?
  [ $code = 74 ]
  grep -q 'stdout.*No space left on device' stderr
done
