# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Every row of table.txt: the exit code, the words on stderr to the letter, and every file as it was.
source "$CASE_DIR/fixtures.sh"

unprivileged() { setpriv --bounding-set=-all --inh-caps=-all "$@"; }
begin() {
  gpt2-train --out r --train shards/text_train_000001.bin --layers 1 --heads 2 --channels 32 --context 32 \
    --total-batch-tokens 128 --max-steps 2 "$@"
}
can_drop_rights=yes
unprivileged cat unreadable.bin >/dev/null 2>&1 && can_drop_rights=

has_fetch=$(command -v gpt2-fetch || true)  # the build may leave it out

files() { find . -type d -printf '%p %m\n' -o -printf '%p %m %s %T@ %l\n' 2>/dev/null; }
files_before=$(files)

row_count=0
check_row() {  # CODE COMMAND MESSAGE
  local code=0 said
  [[ $2 != *unprivileged* || $can_drop_rights ]] || return 0
  [[ $2 != gpt2-fetch* || $has_fetch ]] || return 0
  row_count=$((row_count + 1))
  (eval "$2") </dev/null >../row_stdout 2>../row_stderr || code=$?
  said=$(<../row_stderr)
  said=${said//"$PWD"\//}
  while [[ $said =~ (^|[^0-9a-z])([0-9a-f]{8})([^0-9a-z]|$) ]]; do said=${said/"${BASH_REMATCH[2]}"/CHECKSUM}; done
  if [ "$code" != "$1" ] || [ "$said" != "$3" ]; then
    printf '%s %s\n    %s\n  but got\n%s\n    %s\n\n' "$1" "$2" "$3" "$code" "$said"
  fi
  if [ "$(files)" != "$files_before" ]; then
    printf '%s\n  changed files:\n%s\n\n' "$2" "$(diff <(echo "$files_before") <(files))"
    files_before=$(files)
  fi
}

code='' command='' message=''
end_row() { [ -z "$command" ] || check_row "$code" "$command" "$message"; }
while IFS= read -r line; do
  case $line in
    '#'* | '') ;;
    '    '*) message+=${message:+$'\n'}${line#    } ;;
    *)
      end_row
      read -r code command <<<"$line"
      message=
      ;;
  esac
done <"$CASE_DIR/table.txt"
end_row
[ $row_count -ge 100 ] || echo "only $row_count rows were checked"
