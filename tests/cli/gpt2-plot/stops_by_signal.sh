# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A signal leaves no half of a picture, and an older picture as it was.
source "$CASE_DIR/../interruption.bash"
mkdir run
printf '1 train 10.5\n2 train 9.5\n' >run/log.txt
for signal in INT TERM; do interrupt $signal gpt2-plot run --out curves.svg; done
gpt2-plot run --out curves.svg
printf '3 train 8.5\n' >>run/log.txt
interrupt INT gpt2-plot run --out curves.svg
