# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
. "$CASE_DIR/../refusal.bash"
config() { printf -- "$2" >c.yaml; refusal "$1" gpt2-probe --out-dir d --config c.yaml; }
config 64 'layers: 1\nlearning_rat: 1\n'
config 64 'layers: 1\n\nlayers: 2\n'
config 64 'out_dir: a\nout-dir: b\n'
config 64 'layers: -1K5\n'
config 64 'small: -1\n'
config 64 'layers: [1, 2]\n'
config 64 'layers:\n'
config 64 'train: [a, [b]]\n'
config 64 'model:\n  layers: 1\n'
config 64 'layers:\n  count: 1\n'
config 64 '[layers]: 1\n'
config 64 'config: other.yaml\n'
config 64 '- layers\n'
config 64 'layers: 1\n---\nlayers: 2\n'
config 65 'layers: [1\n'
config 65 'layers: }'
config 64 ','
config 64 'text: "a\\Nb"\n'
config 65 'layers: 1\n\xe9\n'
config 65 'layers: 1\n\x04small: 1\n'
refusal 65 gpt2-probe --out-dir d --config /dev/zero
refusal 65 gpt2-probe --out-dir d --config missing.yaml
refusal 65 gpt2-probe --out-dir d --config .
refusal 65 gpt2-probe --out-dir d --config ''
GPT2_LAYERS=many refusal 64 gpt2-probe --out-dir d
: >empty.yaml
gpt2-probe --out-dir d --config empty.yaml >/dev/null
