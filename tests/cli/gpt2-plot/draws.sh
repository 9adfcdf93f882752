# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
mkdir run
printf '0 val 10.9\n1 train 10.5\n2 train 9.5\n2 val 9.75\n' >run/log.txt
gpt2-plot run --out curves.svg
grep -q '>validation, best 9.7500 at step 2<' curves.svg
gpt2-plot run --out - | cmp - curves.svg
gpt2-plot run | grep -q 'best 9.7500 at step 2$'
mkdir other
printf '1 train 10.25\n2 train 9.25\n' >other/log.txt
gpt2-plot run other --out report.html
grep -q '<td class="name">other</td>' report.html
gpt2-plot run other --json | grep -c '"run"' | grep -qx 2
