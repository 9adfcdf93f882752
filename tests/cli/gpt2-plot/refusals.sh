# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
. "$CASE_DIR/../refusal.bash"
mkdir run
refusal 64 gpt2-plot --json
refusal 64 gpt2-plot run --follow --out report.html
refusal 64 gpt2-plot run --out curves.png
refusal 64 gpt2-plot run --out - --json
refusal 65 gpt2-plot run --out curves.svg
refusal 65 gpt2-plot missing --json
: >run/metrics.jsonl
refusal 65 gpt2-plot run --out curves.svg
printf '{"kind":"train"\n{}\n' >run/metrics.jsonl
refusal 65 gpt2-plot run --json | cut -c 1-34
printf '{"kind":"train","step":1,"time":1,"loss":4}\n' >run/metrics.jsonl
refusal 74 gpt2-plot run --out missing/curves.svg | cut -c 1-19
[ ! -e curves.svg ]
