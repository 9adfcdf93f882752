# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A file by its address: checked, not fetched twice, never wrong, and recorded when nothing is known of it.
source "$CASE_DIR/server.bash"
source "$CASE_DIR/../refusal.bash"
mkdir files certificates
head -c 300000 /dev/urandom >files/a.bin
hash=$(sha256_of files/a.bin)
serve files

gpt2-fetch "$server/a.bin" --sha256 $hash --out b.bin
cmp files/a.bin b.bin
gpt2-fetch "$server/a.bin" --sha256 ${hash^^} --out-dir made
cmp files/a.bin made/a.bin
gpt2-fetch "$server/a.bin" --sha256 $hash --out-dir made
[ "$(wc -l <requests.log)" = 2 ]

refusal 65 gpt2-fetch "$server/wrong/a.bin" --sha256 $hash --out c.bin | grep -q "has SHA-256 .*, not SHA-256 $hash"
refusal 65 gpt2-fetch "$server/none" --sha256 $hash --out c.bin | grep -q 'there is no such file (status 404)'
refusal 69 gpt2-fetch "$server/cut/a.bin" --sha256 $hash --out c.bin --tries 1 |
  grep -q 'transfer closed with .* bytes remaining.*; c.bin.part keeps .* bytes, and the same command goes on from there'
[ ! -e c.bin ]
gpt2-fetch "$server/a.bin" --sha256 $hash --out c.bin
cmp files/a.bin c.bin
tail -1 requests.log | grep -q 'bytes='
echo mine >c.bin
refusal 73 gpt2-fetch "$server/a.bin" --sha256 $hash --out c.bin | grep -q -- '--force'
[ "$(<c.bin)" = mine ]
gpt2-fetch "$server/a.bin" --sha256 $hash --out c.bin --force
cmp files/a.bin c.bin
mkdir folder
refusal 73 gpt2-fetch "$server/a.bin" --sha256 $hash --out folder >/dev/null

# https, with an authority of one's own, needs no hash; what came is recorded as sha256sum does.
serve files certificates
refusal 69 gpt2-fetch "$server/a.bin" | grep -q 'cannot prove its name.*--ca-file'
gpt2-fetch "$server/a.bin" --ca-file certificates/authority.pem 2>words
grep -q '^gpt2-fetch: ./a.bin: not checked, no hash is known' words
sha256sum --quiet -c a.bin.sha256
CURL_CA_BUNDLE=certificates/authority.pem gpt2-fetch "$server/a.bin"
SSL_CERT_FILE=certificates/authority.pem gpt2-fetch "$server/a.bin" --out d.bin -q
cmp files/a.bin d.bin
refusal 64 gpt2-fetch "$server/a.bin" --out e.bin --ca-file files/a.bin | grep -q 'no certificates'
