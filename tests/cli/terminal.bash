# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# For cases that need a terminal: script(1) gives one. Skips the case where there is none (a chroot without /dev/pts).
export SHELL=$BASH  # script(1) runs its command by this shell
script -qec true /dev/null >/dev/null 2>&1 || { echo 'skipped: script(1) can make no terminal here' >&2; exit 77; }
