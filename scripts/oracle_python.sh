#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Prints the path of a Python that has the peers of tests/oracle/requirements.txt. They are installed once, into a
# virtual environment under the user's cache folder, named after the requirements: about 6 GB for PyTorch.
set -eu
cd "$(dirname "$0")/.."
requirements=tests/oracle/requirements.txt
name=$(sha256sum "$requirements" | cut -c1-12)
venv=${GPT2_ORACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gpt2-tools}/oracle-$name
mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9 # a second caller waits for the first one's installation instead of removing it
if [ ! -e "$venv/complete" ]; then
  rm -rf "$venv"
  echo "Installing the Python peers into $venv" >&2
  python3 -m venv "$venv" >&2
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir -r "$requirements" >&2
  touch "$venv/complete"
fi
echo "$venv/bin/python"
