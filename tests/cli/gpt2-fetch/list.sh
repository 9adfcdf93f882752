# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# --list shows every data set on a line, --json the same with its files; neither asks the network.
gpt2-fetch --list >table
gpt2-fetch --list --json >objects
[ "$(wc -l <table)" = $(($(wc -l <objects) + 1)) ]
head -1 table | grep -q '^name .*files .*bytes .*licence .*what$'
grep -qE '^gpt2-vocab +2 +1\.50M +Modified MIT +' table
grep -qE '^fineweb-edu-10B +14 +28\.5G +ODC-By 1\.0 +' table
grep -q '^{"name": "tinyshakespeare", .*"bytes": 1115394, "sha256": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"' objects
grep -q '^{"name": "fineweb-edu-100B", .*"files": null}$' objects
if grep -v '^{.*}$' objects; then exit 1; fi
