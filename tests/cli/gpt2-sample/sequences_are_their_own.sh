# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A sequence is the same whatever their number and the threads; another seed gives another.
"$CASE_DIR"/make_uniform_model model
sample() { gpt2-sample --checkpoint model --max-tokens 30 --json "$@"; }
sample --num-sequences 5 --threads 1 >five
[ "$(sort -u five | wc -l)" = 5 ]
sample --num-sequences 2 --threads 2 | cmp - <(head -n 2 five)
sample | cmp - <(head -n 1 five)
if sample --seed 43 | cmp -s - <(head -n 1 five); then exit 1; fi
