# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# What zsh offers: each option that --help shows, with its choices, in the form that _arguments takes.
command -v zsh >/dev/null || { echo 'skipped: there is no zsh here' >&2; exit 77; }
"$TOOL" --generate zsh-completion >"_$TOOL"
zsh -n "_$TOOL"
head -n 1 "_$TOOL" | grep -qx "#compdef $TOOL"
cat >offered.zsh <<'END'
_arguments() { print -rl -- "$@" }
compadd() { print -rl -- "$@" }
complete() { local CURRENT=$# ; local -a words=("$@"); . ./_$TOOL }
for command in '' $(sed -n 's/^    (\([a-z]*\)) .*/\1/p' _$TOOL); do complete $TOOL "$command"; done
END
TOOL=$TOOL zsh -f offered.zsh >offered
grep -oE -- '^\*?--[a-z0-9-]+' offered | tr -d '*' | sort -u >options
"$TOOL" --help | grep -oE '^  (-., )?--[a-z0-9-]+' | sed 's/.* //' | sort -u | diff - options
grep -qF -- "--progress=[a progress line on stderr; auto\\: on a terminal]:WHEN:(auto on off)" offered
