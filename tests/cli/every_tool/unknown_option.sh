# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# One line on stderr, nothing on stdout, 64.
code=0
"$TOOL" --no-such-option >stdout 2>stderr || code=$?
[ $code = 64 ]
[ ! -s stdout ]
[ "$(wc -l <stderr)" = 1 ]
grep -q "^$TOOL: unknown option --no-such-option" stderr
