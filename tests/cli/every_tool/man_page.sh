# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# The man page has every word of --help, and no formatter finds fault with it.
command -v groff >/dev/null || { echo 'skipped: there is no groff here' >&2; exit 77; }
"$TOOL" --generate man-page >page
groff -man -Tutf8 -ww -P-c -P-b -P-u -rLL=2000n page >shown 2>warnings
[ ! -s warnings ] || cat warnings
words() { tr -s '[:space:]' '\n' | sort -u; }
"$TOOL" --help | sed -E 's/^(Usage|Example|Exit codes|[a-z]+): *//; s/,$//' | tr -d ',' | words >wanted
tr -d ',' <shown | words | comm -23 wanted - >missing
[ ! -s missing ] || cat missing
grep -q "^.TH ${TOOL^^} 1 " <(sed 's/\\-/-/g' page)
