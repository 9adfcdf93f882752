# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# All 257 tokens equally likely: ln 257 nats, log2 257 bits; every byte is a token. 18 of them are 3 words.
"$CASE_DIR"/../gpt2-sample/make_uniform_model model
printf 'hello, wide world\n' >text
gpt2-eval-loss --checkpoint model --text text >lines
awk '$1 == "loss" { close_to($2, log(257)) } $1 == "perplexity" { close_to($2, 257) }
  /^bits per byte/ { close_to($4, log(257) / log(2)) } $1 == "tokens" { close_to($2, 18) }
  /^per word/ { close_to($3, 257 ^ 6) } $1 == "words" { close_to($2, 3) } $1 == "bytes" { close_to($2, 18) }
  function close_to(found, wanted) { ++lines; if (found < wanted * 0.999999 || found > wanted * 1.000001) print $0 }
  END { if (lines != 7) print "not 7 lines" }' lines
gpt2-eval-loss --checkpoint model --text text --json >json
for key in loss perplexity word_perplexity bits_per_byte token_count word_count byte_count; do grep -q "^  \"$key\": [0-9.]*,\?$" json; done
grep -q '"token_count": 18,' json
grep -q '"word_count": 3,' json
grep -q '"byte_count": 18$' json
