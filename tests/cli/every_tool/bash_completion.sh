# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# What bash offers after the tool's name: options, the choices of one, and no files among the options.
source <("$TOOL" --generate bash-completion)
offered() {  # offered WORD... : after these words, the last of which is being typed
  COMP_WORDS=("$TOOL" "$@") COMP_CWORD=$#
  "_${TOOL//-/_}"
  printf '%s\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"}
}
touch -- --verbose-file
[ "$(offered --verb)" = --verbose ]
[ "$(offered --progress o)" = $'on\noff' ]
[ "$(offered --progress '')" = $'auto\non\noff' ]
offered -- | sort >options
"$TOOL" --help | grep -oE '^  (-., )?--[a-z0-9-]+' | sed 's/.* //' | sort -u >shown
# The page of a tool with commands shows the options of all of them, a command offers its own.
comm -13 shown options
grep -qx -e --config options
complete -p "$TOOL" | grep -q -- '-o default'
