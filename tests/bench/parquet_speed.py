#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""Reading a column of texts out of Parquet, by formats/parquet.h and by pyarrow, one thread each, in turn.

The texts are those of encode_speed.py, --megabytes of all kinds mixed, in row groups of 1000 documents as in FineWeb-Edu.
Rates are megabytes of text in a second of processor time, the best of --rounds; pyarrow makes Arrow arrays, no Python
strings. Example:

    ninja parquet_read && PATH=$PWD/bin:$PATH $(../scripts/oracle_python.sh) ../tests/bench/parquet_speed.py
"""
import argparse
import random
import subprocess
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from encode_speed import KINDS, texts_of

FILES = {
    "none, PLAIN": dict(compression="none", use_dictionary=False),
    "SNAPPY, dictionary": dict(compression="snappy"),
    "ZSTD, dictionary": dict(compression="zstd"),
    "LZ4_RAW, PLAIN": dict(compression="lz4", use_dictionary=False),
    "GZIP, PLAIN": dict(compression="gzip", use_dictionary=False),
    "ZSTD, DELTA_LENGTH, v2": dict(
        compression="zstd", use_dictionary=False, column_encoding={"text": "DELTA_LENGTH_BYTE_ARRAY"}, data_page_version="2.0"
    ),
    "SNAPPY, DELTA_BYTE_ARRAY": dict(
        compression="snappy", use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"}
    ),
}


def take_documents(megabytes):
    documents = []
    for folder, wanted in KINDS.values():
        size = 0
        for content in texts_of(folder, wanted):
            documents += [content[i : i + 8000].decode("utf-8", "replace") for i in range(0, len(content), 8000)]
            size += len(content)
            if size >= megabytes * 1e6 / len(KINDS):
                break
    random.Random(1).shuffle(documents)
    return documents


def read_here(path):
    count, seconds = subprocess.check_output(["parquet_read", "text", path], text=True).split()
    return int(count), float(seconds)


def read_pyarrow(path):
    start = time.process_time()
    for _ in pq.ParquetFile(path).iter_batches(columns=["text"], use_threads=False):
        pass
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory() as folder:
        documents = take_documents(arguments.megabytes)
        text_bytes = sum(len(text.encode()) for text in documents)
        print(f"{len(documents)} documents, {text_bytes / 1e6:.0f} MB of text")
        print(f"{'codec, encoding':<26}{'here MB/s':>10}{'pyarrow':>10}{'ratio':>7}")
        for name, options in FILES.items():
            path = Path(folder) / "text.parquet"
            pq.write_table(pa.table({"text": documents}), path, row_group_size=1000, **options)
            here, peer = [], []
            for _ in range(arguments.rounds):
                count, seconds = read_here(path)
                assert count == text_bytes
                here.append(seconds)
                peer.append(read_pyarrow(path))
            rates = [text_bytes / min(seconds) / 1e6 for seconds in (here, peer)]
            print(f"{name:<26}{rates[0]:>10.0f}{rates[1]:>10.0f}{rates[0] / rates[1]:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
