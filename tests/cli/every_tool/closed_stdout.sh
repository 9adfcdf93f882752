# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
code=0
"$TOOL" --version >&- 2>stderr || code=$?
[ $code = 74 ]
grep -q "^$TOOL: writing to stdout failed: Bad file descriptor$" stderr
