# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# For cases about errors: refusal CODE COMMAND... runs it, expects the code and silence on stdout, prints its stderr.
refusal() {
  local expected=$1 code=0
  shift
  "$@" >refused.stdout 2>refused.stderr || code=$?
  cat refused.stderr
  [ ! -s refused.stdout ] || echo "unexpected stdout of: $*"
  [ "$code" = "$expected" ] || echo "exit code $code, expected $expected, of: $*"
}
