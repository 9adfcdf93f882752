# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# The progress line tells share, rate, time left and files; -v tells where each file stands.
source "$CASE_DIR/server.bash"
mkdir files
head -c 60000 /dev/urandom >files/a.bin
hash=$(sha256_of files/a.bin)
serve files
gpt2-fetch "$server/slow/a.bin" --sha256 $hash --out b.bin --progress on 2>line
tr '\r' '\n' <line | grep -qE '^fetching  +[0-9]+%  [0-9.]+K B  [0-9.]+K B/s  0:0[0-9] left  0/1 files *$'
gpt2-fetch "$server/a.bin" --sha256 $hash --out b.bin -v 2>&1 | grep -q '^gpt2-fetch: b.bin: is there, 60000 bytes$'
gpt2-fetch "$server/a.bin" --sha256 $hash --out c.bin -v 2>&1 | grep -q '^gpt2-fetch: c.bin: fetched, 60000 bytes$'
