#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""Encoding speed of gpt2-tokenize and tiktoken, one thread each, in turn: encode_speed.py VOCAB FILE...

The tool's time is that of the whole process, start included; tiktoken's that of encode_ordinary alone.
"""
import subprocess
import sys
import time
from pathlib import Path

import tiktoken
from tiktoken.load import data_gym_to_mergeable_bpe_ranks

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


def main():
    vocab, files = Path(sys.argv[1]), sys.argv[2:]
    ranks = data_gym_to_mergeable_bpe_ranks(str(vocab / "vocab.bpe"), str(vocab / "encoder.json"))
    peer = tiktoken.Encoding("gpt2", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})
    for name in files:
        text = Path(name).read_bytes().decode("utf-8", errors="replace")
        megabytes = len(text.encode()) / 1e6
        best = [0.0, 0.0]
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run(["gpt2-tokenize", "--vocab", vocab, "--threads", "1", "--format", "text", name], check=True,
                           stdout=subprocess.DEVNULL)
            middle = time.perf_counter()
            peer.encode_ordinary(text)
            end = time.perf_counter()
            best = [max(best[0], megabytes / (middle - start)), max(best[1], megabytes / (end - middle))]
        print(f"{name}: {megabytes:.1f} MB, gpt2-tokenize {best[0]:.1f} MB/s, tiktoken {best[1]:.1f} MB/s, "
              f"ratio {best[0] / best[1]:.1f}")


main()
