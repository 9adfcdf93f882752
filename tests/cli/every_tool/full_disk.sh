# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# What stdout did not take is an error, though the kernel says so late.
code=0
"$TOOL" --help >/dev/full 2>stderr || code=$?
[ $code = 74 ]
grep -q "^$TOOL: writing to stdout failed: No space left on device$" stderr
