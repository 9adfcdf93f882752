# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# When the disk takes no more: 74, what was written stays and is said, and later it goes on from there.
source "$CASE_DIR/server.bash"
source "$CASE_DIR/../refusal.bash"
mkdir files
head -c 400000 /dev/urandom >files/a.bin
hash=$(sha256_of files/a.bin)
serve files
limited() { (trap '' XFSZ; ulimit -f 200; exec "$@"); }  # 200 KiB in one file
refusal 74 limited gpt2-fetch "$server/a.bin" --sha256 $hash --out b.bin >words
grep -qE 'b.bin.part: write: File too large; b.bin.part keeps [0-9]+ bytes, and the same command goes on from there' words
[ ! -e b.bin ]
kept=$(stat -c %s b.bin.part)
[ "$kept" -gt 0 ]
gpt2-fetch "$server/a.bin" --sha256 $hash --out b.bin
cmp files/a.bin b.bin
tail -1 requests.log | grep -q "^/a.bin bytes=$kept- "
refusal 74 gpt2-fetch "$server/a.bin" --sha256 $hash --out /proc/nowhere/b.bin >/dev/null
