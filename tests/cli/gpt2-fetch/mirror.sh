# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Names come from a mirror of one's own (--base-url) or of the hub (HF_ENDPOINT), with the catalogue's hashes all the same.
source "$CASE_DIR/server.bash"
source "$CASE_DIR/../refusal.bash"
[ -n "${GPT2_TEST_DATA:-}" ] || { echo 'skipped: GPT2_TEST_DATA is not set' >&2; exit 77; }
revision=607a30d783dfa663caf39e06633721c8d4cfcd7e
mkdir -p files/gpt2-vocab files/tinyshakespeare files/openai-community/gpt2/resolve/$revision certificates
cp "$GPT2_TEST_DATA"/gpt2/{encoder.json,vocab.bpe} files/gpt2-vocab
cp "$GPT2_TEST_DATA"/tinyshakespeare/input.txt files/tinyshakespeare
cp files/gpt2-vocab/encoder.json files/openai-community/gpt2/resolve/$revision/vocab.json
serve files

gpt2-fetch gpt2-vocab tinyshakespeare --base-url "$server" --out-dir data
cmp files/tinyshakespeare/input.txt data/tinyshakespeare/input.txt
[ "$(gpt2-tokenize -v --vocab data/gpt2-vocab data/tinyshakespeare/input.txt 2>&1 >stream | grep -o '[0-9]* tokens')" = '338026 tokens' ]
gpt2-fetch gpt2-vocab tinyshakespeare --base-url "$server/" --out-dir data
[ "$(wc -l <requests.log)" = 3 ]
[ "$(ls -A data/gpt2-vocab | tr '\n' ' ')" = 'encoder.json vocab.bpe ' ]

# One file that fails does not keep the others from coming.
printf x >>files/gpt2-vocab/encoder.json
refusal 65 gpt2-fetch gpt2-vocab tinyshakespeare --base-url "$server" --out-dir other --jobs 1 |
  grep -q 'encoder.json: the server has 1042302 bytes of it, but it should have 1042301'
[ "$(cd other; echo */*)" = 'gpt2-vocab/vocab.bpe tinyshakespeare/input.txt' ]

# The token goes to the hub's mirror, and only over https.
export HF_TOKEN=hf_secret HF_ENDPOINT=$server
gpt2-fetch gpt2 --include vocab.json
if grep hf_secret requests.log; then exit 1; fi
serve files certificates
HF_ENDPOINT=$server gpt2-fetch gpt2 --include vocab.json --ca-file certificates/authority.pem --out-dir data
grep -q "^/openai-community/gpt2/resolve/$revision/vocab.json  Bearer hf_secret$" requests.log
