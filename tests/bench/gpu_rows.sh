#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# The table of gpu.sh on a machine where every tool is played: a measurement that fails is FAILED in its own row, the others
# are made, and the exit code is 1; a text is repeated up to 10 MB.
set -euo pipefail
bench=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir bin
cat >bin/play <<'PLAY'
#!/bin/bash
[ "${0##*/}" != "$FAILS" ] || exit 70
case ${0##*/} in
  nvidia-smi) echo 'NVIDIA H200' ;;
  gpt2-tokenize) echo "$*" >>"$CALLS" ;;
  gpt2-shard | gpt2-eval-hellaswag) ;;
  gpt2-train)
    while [ "$1" != --out ]; do shift; done
    mkdir "$2"
    for step in {1..8}; do echo '{"kind": "train", "step": '$step', "tokens_per_second": 1000'$step'}'; done >"$2/metrics.jsonl"
    ;;
  gpt2-sample) echo '{"seconds": 2, "tokens_per_second": 500}' ;;
  kernels_bench) echo 'operation  ms' ;;
  python3) exit 1 ;;
esac
PLAY
chmod +x bin/play
for tool in nvidia-smi python3 kernels_bench gpt2-{tokenize,shard,train,sample,eval-hellaswag}; do ln -s play "bin/$tool"; done
export PATH=$work/bin:$PATH CALLS=$work/calls
head -c 4000000 /dev/zero >text
echo '{}' >questions

table() {  # FAILS CODE ROWS-THAT-FAILED OPTION...: the table of gpu.sh, where that tool fails
  local code=0
  FAILS=$1 "$bench/gpu.sh" "${@:4}" vocab text questions >table 2>words || code=$?
  if [ $code != "$2" ] || [ "$(grep -c ' FAILED$' table)" != "$3" ] || grep -q ' $' table; then
    echo "$* fails: exit code $code"
    cat table words
    exit 1
  fi
}
table nobody 0 0
grep -q '^training 124M, bf16, B 64  *10005 tokens/s, MFU 0.9 %$' table
grep -q '^training 1558M, .* 10005 tokens/s, MFU' table
grep -q '^decoding 124M, bf16, 16 sequence(s)  *500 tokens/s$' table
grep -q '^operation  ms$' table
[ "$(cat calls)" = '--vocab vocab text text text' ]
table gpt2-sample 1 2
table gpt2-eval-hellaswag 1 1
table gpt2-train 1 2
grep -q '^operation  ms$' table
table kernels_bench 1 1
table kernels_bench 0 0 --only 1558M
! grep -q 124M table
table nobody 0 0 --only 124M
! grep -q 1558M table
table nvidia-smi 69 0
