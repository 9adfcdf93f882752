# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
. "$CASE_DIR/../refusal.bash"
fail() { refusal "$1" gpt2-probe-commands fail --kind "$2"; }
fail 64 usage
fail 65 input
fail 65 format
fail 69 unavailable
fail 73 exists
fail 74 io
fail 75 stopped
fail 76 diverged
fail 78 contradiction
fail 74 filesystem
fail 70 memory
fail 70 other
fail 70 unknown
fail 65 lines
refusal 65 gpt2-probe-commands -q fail --kind input
