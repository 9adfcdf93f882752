# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A table for people and JSON lines for machines; a foreign shard says little.
source "$CASE_DIR/stream.bash"
make_stream 10 | gpt2-shard write --out-dir . --prefix p --val-documents 4
{ printf '\x88\xd8\x34\x01\x01\0\0\0\x03\0\0\0'; head -c 1012 /dev/zero; printf '\x01\0\x02\0\x03\0'; } >foreign.bin
gpt2-shard info p_val_000000.bin foreign.bin >table
[ "$(wc -l <table)" = 3 ]
grep -qE '^ *tokens +documents +vocab +end-of-text +tokenizer +file$' table
grep -qE '^ +[0-9]+ +4 +260 +[0-9]+ +[0-9a-f]{32} +p_val_000000.bin$' table
grep -qE '^ +3 +- +- +- +- \(foreign\) +foreign.bin$' table
gpt2-shard info --json p_val_000000.bin foreign.bin >lines
sed -n 1p lines | grep -qE '^\{"file": ?"p_val_000000.bin", ?"token_count": ?[0-9]+, ?"foreign": ?false, ?"document_count": ?4, ?"vocab_size": ?260, ?"end_of_text": ?[0-9]+, ?"tokenizer": ?"[0-9a-f]{32}"\}$'
sed -n 2p lines | grep -qE '^\{"file": ?"foreign.bin", ?"token_count": ?3, ?"foreign": ?true, ?"document_count": ?null, ?"vocab_size": ?null, ?"end_of_text": ?null, ?"tokenizer": ?null\}$'
