#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# kill_pipeline.sh [KILLS] [SEED]: gpt2-tokenize | gpt2-shard, where one or the other is killed (SIGKILL) at a random
# moment. A file that has a final name afterwards must be whole, a stream that was cut must give no final name at all, and
# a rerun must give the bytes of a run that was left alone, with nothing unfinished beside them. The tools come from PATH.
set -euo pipefail
kills_wanted=${1:-20}
RANDOM=${2:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

line='the quick brown fox of chapter'
for number in {1..20000}; do echo "$line $number jumps over $((number * 7919 % 10007)) lazy dogs"; done >part.txt
for _ in {1..12}; do cat part.txt; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab part.txt
mkfifo pipe

begin() {  # OUT [OPTION...]: starts both ends of the pipe, as $tokenize and $shard
  gpt2-tokenize --vocab vocab --threads 2 text.txt >pipe 2>tokenize.words &
  tokenize=$!
  gpt2-shard --out-dir "$1" --prefix text --tokens-per-shard 200K --val-tokens 50K "${@:2}" <pipe 2>shard.words &
  shard=$!
}
finish() {  # waits for both and keeps their exit codes
  tokenize_code=0 shard_code=0
  wait "$tokenize" 2>/dev/null || tokenize_code=$?
  wait "$shard" 2>/dev/null || shard_code=$?
}
differs() {
  echo "after $kills kills: $1"
  exit 1
}

start=${EPOCHREALTIME/./}
begin whole
finish
microseconds=$((${EPOCHREALTIME/./} - start))
((tokenize_code == 0 && shard_code == 0)) || { cat ./*.words; exit 1; }
gpt2-shard verify whole/*.bin >verified

kills=0 too_late=0 unfinished=0
while ((kills < kills_wanted)); do
  rm -rf run
  begin run
  victim=$tokenize name=gpt2-tokenize
  if ((RANDOM % 2)); then victim=$shard name=gpt2-shard; fi
  sleep "$(awk -v random=$RANDOM -v whole=$microseconds 'BEGIN { print random / 32768 * whole / 1e6 }')"
  kill -KILL "$victim" 2>/dev/null || true
  finish
  if ((tokenize_code == 0 && shard_code == 0)); then
    ((++too_late))
    ((too_late < 10 * kills_wanted)) || differs 'the kills come too late'
    continue
  fi
  ((++kills))
  [ -z "$(find run -name '.tmp-*' 2>/dev/null)" ] || ((++unfinished))
  for file in run/*.bin; do
    [ ! -e "$file" ] || cmp "$file" "whole/${file##*/}" || differs "$name was killed and $file is not whole"
  done
  if [ $name = gpt2-tokenize ] && ((tokenize_code == 137 && shard_code == 0)); then  # it had written its stream's end
    diff -r whole run >difference || differs "a whole stream gave other files: $(<difference)"
  elif [ $name = gpt2-tokenize ] && ((tokenize_code == 137)); then
    ((shard_code == 65)) || differs "gpt2-shard took a stream that was cut: exit code $shard_code"
    [ "$(wc -l <shard.words)" = 1 ] || differs "gpt2-shard says: $(<shard.words)"
    [ -z "$(ls run 2>/dev/null)" ] || differs "a stream that was cut gave files: $(ls run)"
    [ -z "$(find run -name '.tmp-*' 2>/dev/null)" ] || differs 'gpt2-shard leaves unfinished files'
  elif ((shard_code == 137)); then
    ((tokenize_code == 141 || tokenize_code == 0)) || differs "gpt2-tokenize: exit code $tokenize_code"
    [ ! -s tokenize.words ] || differs "gpt2-tokenize says: $(<tokenize.words)"
  else
    differs "exit codes $tokenize_code and $shard_code"
  fi
  begin run --force
  finish
  ((tokenize_code == 0 && shard_code == 0)) || differs "the rerun fails: $(cat ./*.words)"
  diff -r whole run >difference || differs "the rerun gives other files: $(<difference)"
  [ -z "$(find run -name '.tmp-*')" ] || differs 'the rerun leaves unfinished files'
done
echo "$kills kills, $unfinished of them left unfinished files: every rerun gave the files of the run left alone"
