#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# messages.sh: two, three and four ranks of messages_test.cpp, which MESSAGES_TEST names.
source "$(dirname "$0")/ranks.bash"

for world in 2 3 4; do
  ranks "$world" "$MESSAGES_TEST" >words 2>&1 || fail "$world ranks: $(<words)"
  [ "$(grep -c 'No errors detected' words)" -eq "$world" ] || fail "$world ranks: $(<words)"
done
