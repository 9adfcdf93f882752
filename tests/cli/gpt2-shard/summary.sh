# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Silent unless -v, which counts.
source "$CASE_DIR/stream.bash"
make_stream 20 >stream
gpt2-shard -v --out-dir d --prefix p --val-documents 5 <stream 2>words
grep -qE '^gpt2-shard: 2 shards, [0-9]+ tokens, 20 documents in d$' words
[ "$(wc -l <words)" = 1 ]
