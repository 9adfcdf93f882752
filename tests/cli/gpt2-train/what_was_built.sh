# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# --version says by what it was built and what this machine has of it.
gpt2-train --version >words
sed -n 2p words | grep -qE '^compiled by [A-Za-z]+ [0-9.]+, .*; built in: cpu'
grep -qE '^  cpu: [0-9]+ threads?' words
grep -qE '^  cuda: ' words
