# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# --help is for people and their pagers: on stdout, complete, at most 100 columns.
"$TOOL" --help >help
[ "$("$TOOL" -h)" = "$(cat help)" ]
grep -q "^Usage: $TOOL " help
grep -q '^Example: ' help
grep -q '^Exit codes: 0 done' help
grep -q '^ *-V, --version ' help
if grep -nE '.{101}' help; then exit 1; fi
if grep -nE '[[:space:]]$' help; then exit 1; fi
