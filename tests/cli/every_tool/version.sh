# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"$TOOL" --version | head -n 1 | grep -qE "^$TOOL \(gpt2-tools\) [0-9]+\.[0-9]+\.[0-9]+$"
[ "$("$TOOL" -V)" = "$("$TOOL" --version)" ]
