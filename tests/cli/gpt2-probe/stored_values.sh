# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Values stored by an earlier run take the place of defaults, never of what the user gave.
. "$CASE_DIR/../refusal.bash"
gpt2-probe --out-dir d --layers 3 --stored layers=5 small=9 'train=["a", "b c"]' json=true 'text=[x]' | grep -v '^stored'
refusal 64 gpt2-probe --out-dir d --stored layer=5
refusal 64 gpt2-probe --out-dir d --stored small=-5
refusal 64 gpt2-probe --out-dir d --stored 'train={a: b}'
