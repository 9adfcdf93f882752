# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Nobody answers: 69, after the tries that were asked for, each wait announced.
source "$CASE_DIR/server.bash"
source "$CASE_DIR/../refusal.bash"
mkdir files
serve files
exec 9>&-  # the server ends
wait
refusal 69 gpt2-fetch gpt2-vocab --include vocab.bpe --base-url "$server" --tries 2 >words
[ "$(wc -l <words)" = 2 ]
head -1 words | grep -q 'Failed to connect.*; next try in'
tail -1 words | grep -q 'Failed to connect.*; 2 tries in a row failed$'
# Each file that fails is told, one of them with -q.
refusal 69 gpt2-fetch gpt2-vocab --base-url "$server" --tries 1 >words
[ "$(grep -c 'Failed to connect.* server$' words)" = 2 ]
[ "$(gpt2-fetch gpt2-vocab --base-url "$server" --tries 1 -q 2>&1 | wc -l)" = 1 ]
[ ! -e gpt2-vocab ]
