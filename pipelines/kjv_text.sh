#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# The King James text (Debian package bible-kjv) as training data: one document a chapter, verses joined by newlines.
#
#   kjv_text.sh OUT_DIR   writes train.jsonl and heldout.jsonl, one {"text": ...} a line, and the same texts joined by
#                         newlines as train.txt and heldout.txt.
#
# Held out is every 25th of the 1189 chapters, from the 13th on: a fixed sample of 48 (4 %) out of nearly every long
# book. Feed heldout.jsonl before train.jsonl to make it the validation set, which gpt2-shard takes from the beginning.
set -euo pipefail
export LC_ALL=C

if [ $# -ne 1 ] || [[ $1 == -* ]]; then
  echo 'Usage: kjv_text.sh OUT_DIR' >&2
  exit 64
fi
if ! command -v bible >/dev/null; then
  echo 'kjv_text.sh: the program bible is missing: apt-get install bible-kjv' >&2
  exit 69
fi
mkdir -p "$1"
parts=$(mktemp -d "$1/.tmp-kjv-XXXXXX")
trap 'rm -rf "$parts"' EXIT

# In: a verse a line, "Ge1:1 In the beginning ...". The reference up to the colon names the chapter.
bible -f gen1:1-rev22:21 | awk -v parts="$parts" '
  function write_chapter(   name, quoted) {
    name = chapters % 25 == 12 ? "heldout" : "train"
    print text > (parts "/" name ".txt")
    quoted = text
    gsub(/["\\]/, "\\\\&", quoted)
    gsub(/\n/, "\\n", quoted)
    print "{\"text\": \"" quoted "\"}" > (parts "/" name ".jsonl")
    ++chapters
  }
  !/^[0-9]?[A-Z][A-Za-z]*[0-9]+:[0-9]+ [^[:cntrl:]]+$/ {
    print "kjv_text.sh: line " NR " is not a verse: " $0 > "/dev/stderr"
    failed = 1
    exit 65
  }
  {
    reference = $1
    verse = substr($0, length(reference) + 2)
    sub(/:.*/, "", reference)
    if (reference == chapter) {
      text = text "\n" verse
    } else {
      if (chapter != "") write_chapter()
      chapter = reference
      text = verse
    }
  }
  END {
    if (failed) exit 65
    if (chapter != "") write_chapter()
    if (NR != 31102 || chapters != 1189) {
      print "kjv_text.sh: expected 31102 verses in 1189 chapters, found " NR " in " chapters + 0 > "/dev/stderr"
      exit 65
    }
  }'
mv "$parts"/{heldout,train}.{txt,jsonl} "$1"
