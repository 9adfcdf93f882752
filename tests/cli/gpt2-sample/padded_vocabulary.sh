# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Rows that pad the vocabulary to a multiple of 8 or more are never drawn: the text is that of the model without them.
"$CASE_DIR"/make_uniform_model model
ROWS=264 "$CASE_DIR"/make_uniform_model padded
ROWS=320 "$CASE_DIR"/make_uniform_model padded_to_64
sample() { gpt2-sample --max-tokens 60 --num-sequences 20 --json "$@"; }
for choice in '--top-k 0' '--top-k 260' '--temperature 0' '--top-k 0 --top-p 0.999'; do
  sample --checkpoint model $choice >wanted
  sample --checkpoint padded $choice | cmp - wanted
  sample --checkpoint padded_to_64 $choice | cmp - wanted
done
# No padding: the tokenizer of another model.
for rows in 256 258 260 328; do
  ROWS=$rows "$CASE_DIR"/make_uniform_model other_$rows
  code=0
  gpt2-sample --checkpoint other_$rows >stdout 2>stderr || code=$?
  [ $code = 78 ] && [ ! -s stdout ]
  grep -q "257 tokens, .* has $rows; .*--vocab" stderr
done
