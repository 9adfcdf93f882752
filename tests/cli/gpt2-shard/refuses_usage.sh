# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# What cannot be done is said in one line, with the exit code of its kind, and leaves no file.
source "$CASE_DIR/stream.bash"
refused() {  # refused CODE PATTERN ARGUMENT... < STREAM
  local expected=$1 pattern=$2 code=0
  shift 2
  gpt2-shard "$@" >stdout 2>words || code=$?
  [ $code = $expected ] || { echo "exit $code, expected $expected: $*"; cat words; exit 1; }
  [ ! -s stdout ]
  grep -qE "$pattern" words || { echo "no '$pattern' in:"; cat words; exit 1; }
}
make_stream 20 >stream
refused 64 'must be given' --prefix p <stream
refused 64 'must be given' --out-dir d <stream
refused 64 'tokens' --out-dir d --prefix p --val-tokens 1M <stream
refused 64 '20 documents' --out-dir d --prefix p --val-documents 21 <stream
refused 64 'give one' --out-dir d --prefix p --val-documents 1 --val-tokens 1 <stream
refused 64 'prefix' --out-dir d --prefix a/b <stream
refused 65 'standard input' --out-dir d --prefix p </dev/null
refused 65 'standard input' --out-dir d --prefix p <docs.jsonl
head -c -1 stream | refused 65 'standard input' --out-dir d --prefix p
[ ! -d d ] || [ -z "$(ls -A d)" ]
gpt2-shard --out-dir d --prefix p <stream
refused 73 'force' --out-dir d --prefix p <stream
gpt2-shard --out-dir d --prefix p --force --tokens-per-shard 1K <stream
refused 65 'is a folder' info d
refused 65 'no file matches' cat 'd/none_*.bin'
printf '\x93NUMPY and more' >a.npy
refused 65 'a.npy: .*version: is 32' cat a.npy
head -c 4000 /dev/zero >bare.bin
refused 65 'bare.bin: .*nanoGPT' cat bare.bin
