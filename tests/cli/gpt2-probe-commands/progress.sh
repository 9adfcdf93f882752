# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Off where stderr is no terminal; on when asked for: drawn over itself, wiped before words and at the end.
gpt2-probe-commands progress --total 500K 2>quiet
echo 'gpt2-probe-commands: half of it' | cmp - quiet
gpt2-probe-commands progress -q --total 500K
gpt2-probe-commands progress --progress on 2>drawn
tr '\r' '\n' <drawn | grep -qE '^Reading   [ 0-9]{2}%  [0-9.]+[KM] tokens  [0-9.]+[KM] tokens/s  0:0[01] left  loss 3.21 *$'
tr '\r' '\n' <drawn | grep -qx 'gpt2-probe-commands: half of it'
if tr '\r' '\n' <drawn | grep -qE '.{80}'; then exit 1; fi
[ "$(tail -c 1 drawn)" = $'\r' ]
