# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Text to shards and back; joined shards cut to the same files.
source "$CASE_DIR/stream.bash"
make_stream 100 >stream
gpt2-shard --out-dir a --prefix docs --tokens-per-shard 100 --val-tokens 150 --test-documents 3 <stream
[ "$(ls a | head -3)" = 'docs_test_000002.bin
docs_train_000003.bin
docs_train_000004.bin' ]
[ -e a/docs_val_000000.bin ] && [ -e a/docs_val_000001.bin ]
gpt2-shard verify a/*.bin
gpt2-shard cat 'a/docs_val_*' 'a/docs_test_*' 'a/docs_train_*' >joined
cmp stream joined
gpt2-tokenize decode --vocab vocab --separator $'\n' <joined >decoded
for ((i = 0; i < 100; ++i)); do echo "word $i"; done | head -c -1 | cmp - decoded
