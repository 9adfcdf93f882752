# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# No text can steer the terminal it is shown on.
source "$CASE_DIR/../terminal.bash"
"$CASE_DIR"/make_uniform_model model
script -qec "gpt2-sample --checkpoint model --temperature 0 --max-tokens 2 --prompt $'\e[31mred\a\tx\n'" /dev/null </dev/null >shown
grep -qF '\x1B[31mred\x07' shown
if grep -q "$(printf '\033')" shown; then exit 1; fi
# Elsewhere every byte stays.
gpt2-sample --checkpoint model --temperature 0 --max-tokens 2 --prompt "$(printf '\033[31m\377')" >text
printf '\033[31m\377!!\n' | cmp - text
