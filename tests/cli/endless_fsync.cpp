// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Preloaded into a tool by interruption.bash: the first file that it has written stays unfinished
// until a signal comes.
#include <unistd.h>

extern "C" int fsync(int /*descriptor*/) {
  for (;;) ::pause();
}
