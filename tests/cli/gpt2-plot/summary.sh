# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
mkdir run
cat >run/metrics.jsonl <<'END'
{"kind":"train","step":1,"time":1,"loss":4,"learning_rate":0.001,"gradient_norm":2}
{"kind":"val","step":1,"time":1,"loss":3.5}
{"kind":"train","step":2,"time":1,"loss":null,"learning_rate":0.002,"gradient_norm":1}
{"kind":"val","step":2,"time":1,"loss":3.75}
{"kind":"tra
END
truncate -s -1 run/metrics.jsonl
gpt2-plot run --json
