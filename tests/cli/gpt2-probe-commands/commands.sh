# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
. "$CASE_DIR/../refusal.bash"
gpt2-probe-commands a.txt fail          # show need not be named; a command's name is a file here
gpt2-probe-commands show fail
gpt2-probe-commands -q show b
gpt2-probe-commands -- fail
gpt2-probe-commands write --line-count 2
gpt2-probe-commands show --vocab v
gpt2-probe-commands fail --help | head -5
refusal 64 gpt2-probe-commands fail
refusal 64 gpt2-probe-commands write --total 3
refusal 64 gpt2-probe-commands write word
refusal 64 gpt2-probe-commands --line-count 3
