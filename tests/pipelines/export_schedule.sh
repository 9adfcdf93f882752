#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# The jobs of export.cron and gpt2-export.service run as cron and systemd run them: they export the newest checkpoint, and
# say nothing when there is nothing new. Run from the root of the repository.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$1" >&2; exit 1; }

for number in {1..60}; do echo "the number $number comes after $((number - 1))"; done >"$work/text.txt"
gpt2-tokenize train --vocab-size 270 --out "$work/vocab" "$work/text.txt"
gpt2-tokenize --vocab "$work/vocab" "$work/text.txt" | gpt2-shard --out-dir "$work/shards" --prefix text
train() {
  gpt2-train -q --train "$work"/shards/*.bin --vocab "$work/vocab" --out "$work/run" --layers 1 --heads 2 --channels 32 \
    --context 16 --batch-size 2 --total-batch-tokens 64 --schedule constant --warmup-steps 0 "$@"
}
train --max-steps 1

# Of a crontab: its variables, and its jobs as cron hands them to the shell. A % would end the command there.
variables=() jobs=()
field='(\*|[0-9]+(-[0-9]+)?)(/[0-9]+)?'
while IFS= read -r line; do
  if [[ $line =~ ^(#|$) ]]; then
    continue
  elif [[ $line =~ ^[A-Z]+=.*$ ]]; then
    variables+=("$line")
  elif [[ $line =~ ^($field\ ){5}([^%]+)$ ]]; then
    jobs+=("${BASH_REMATCH[-1]}")
  else
    fail "export.cron: neither a comment, a variable nor a job: $line"
  fi
done <pipelines/export.cron
[ ${#jobs[@]} = 2 ] || fail "export.cron has ${#jobs[@]} jobs"
[ "$(tail -c 1 pipelines/export.cron | od -An -tx1)" = ' 0a' ] || fail 'cron refuses a file without a last newline'

service=$(sed -n 's/^ExecStart=//p' pipelines/gpt2-export.service)
jobs+=("${service//'${EXPORTS}'/'${EXPORTS}/by-systemd'}")
if command -v systemd-analyze >/dev/null; then
  systemd-analyze verify --man=no pipelines/gpt2-export.service pipelines/gpt2-export.timer
fi

run_jobs() {
  for job in "${jobs[@]}"; do
    env -i "${variables[@]}" PATH="$PATH" RUN="$work/run" EXPORTS="$work/exports" /bin/sh -c "$job" >>"$work/words" 2>&1 ||
      { cat "$work/words"; fail "exit code $? of: $job"; }
  done
}
state() { (cd "$work/exports" && find . -type f -exec stat -c '%n %i %Y' {} + | sort); }
run_jobs
made=$(cd "$work/exports" && ls -d hf/model.safetensors gguf/model.gguf by-systemd/hf/model.safetensors | wc -l)
[ "$made" = 3 ] || fail 'an export is missing'
state >"$work/before"
run_jobs
state | cmp "$work/before" - || fail 'an export was made again though nothing was new'
[ ! -s "$work/words" ] || fail "the jobs said: $(cat "$work/words")"
[ "$(ls -A "$work/exports" | tr '\n' ' ')" = 'by-systemd gguf hf ' ] || fail 'something was left beside the exports'

train --max-steps 2 --resume latest
run_jobs
for export in hf gguf by-systemd/hf; do
  grep -q '"step": 2' "$work/exports/$export/export.json" || fail "$export is not of the newest checkpoint"
done
