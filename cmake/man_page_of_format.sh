#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# man_page_of_format.sh LOWDOWN NAME PAGE: the page of a format as a man page of section 5, on stdout. Names of fields are
# not hyphenated, and the cells of tables not stretched: they are narrow.
set -eu
summary=$(sed -n '1s/^# //p' "$3")
{
  printf '# NAME\n\n%s - %s\n\n' "$2" "$summary"
  sed '1s/^# .*/# DESCRIPTION/' "$3"
} | "$1" -s -tman --parse-no-super --parse-no-intraemph -mtitle="$2" -msection=5 -msource=gpt2-tools |
  sed '/^\.TH /a\
.nh\
.na'
