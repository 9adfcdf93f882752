# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
. "$CASE_DIR/../refusal.bash"
full() { gpt2-probe-commands write --line-count "$1" >/dev/full; }
closed() { gpt2-probe-commands write --line-count "$1" >&-; }
refusal 74 full 1        # found when the buffer is written at the end
refusal 74 full 1M       # found on the way
refusal 74 closed 1
gpt2-probe-commands show >&-   # nothing to write, nothing lost
# A reader that has enough: quiet death by SIGPIPE.
code=0
gpt2-probe-commands write --line-count 10M | head -1 || code=${PIPESTATUS[0]}
[ "$code" = 141 ]
