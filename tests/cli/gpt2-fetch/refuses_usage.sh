# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# 64 for what does not fit together, each with one line, and nothing is written.
source "$CASE_DIR/../refusal.bash"
said() {  # said PATTERN ARGUMENT...
  local pattern=$1
  shift
  refusal 64 gpt2-fetch "$@" >words
  [ "$(wc -l <words)" = 1 ] && grep -qE -e "$pattern" words || { echo "no '$pattern' alone in:"; cat words; exit 1; }
}
hash=$(printf x | sha256sum | cut -d' ' -f1)
said '--list'
said 'did you mean gpt2-vocab' gpt2-voca
said "no data set 'nothing-like-it'; --list" nothing-like-it
said 'no data set .input.txt' input.txt
said '--json goes with --list' gpt2-vocab --json
said '64 hexadecimal digits' https://example.org/a --sha256 12ab
said '64 hexadecimal digits' https://example.org/a --sha256 "${hash%?}g"
said 'single address' gpt2-vocab --sha256 $hash
said 'single address' gpt2-vocab --out a
said 'single address' https://example.org/a https://example.org/b --sha256 $hash
said 'http protects nothing' http://example.org/a
said 'neither https nor http' file:///etc/passwd
said 'neither https nor http' ftp://example.org/a
said 'user name or password' https://me:word@example.org/a
said 'does not end in a file name' https://example.org/
said 'does not end in a file name' https://example.org/..%2f
said 'does not end in a file name' 'https://example.org/%2ebashrc'
said 'does not end in a file name' 'https://example.org/a%0ab'
said '--jobs' gpt2-vocab --jobs 0
said '--tries' gpt2-vocab --tries 0
said 'jobs' gpt2-vocab --jobs many
said '--include leaves none' gpt2-vocab --include '*.parquet'
said 'only the hub says' fineweb-edu-100B --base-url https://example.org
said 'not a web address|neither https' gpt2-vocab --base-url example.org
HF_TOKEN=$'a\nX-Evil: b' said 'HF_TOKEN' gpt2-vocab
[ "$(ls -A | tr '\n' ' ')" = 'refused.stderr refused.stdout words ' ]
