# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
gpt2-probe --help
