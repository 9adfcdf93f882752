# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""formats/parquet.h against pyarrow: files of every codec, encoding, page version, with and without nulls, and damaged ones."""
import argparse
import hashlib
import itertools
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq

from damage import damage, limit

CODECS = ["NONE", "SNAPPY", "GZIP", "ZSTD", "LZ4"]  # the last is LZ4_RAW in the file
ENCODINGS = [None, "PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"]  # None: a dictionary
NULLS = ["required", "none", "some", "runs", "all"]
DAMAGED_FILES = 3000
SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "formats" / "samples"


def make_texts(rng, count):
    words = ["the", "of", "a", "\u4e2d\u6587", "\U0001f600", "na\u00efve", "x" * 40, "\x00", "\n"]
    texts = ["", "one", "one", "one again"] + [
        " ".join(rng.choices(words, k=rng.randrange(60))) for _ in range(count - 4)
    ]
    if rng.random() < 0.5:
        texts.sort()  # long common beginnings
    return texts


def put_nulls(rng, texts, kind):
    if kind == "some":
        return [None if rng.random() < 0.3 else text for text in texts]
    if kind == "runs":
        return [None if i // 37 % 2 == 0 else text for i, text in enumerate(texts)]
    return [None] * len(texts) if kind == "all" else texts


def write_matrix(folder):
    rng = random.Random(11)
    paths = []
    for codec, encoding, version, nulls in itertools.product(CODECS, ENCODINGS, ["1.0", "2.0"], NULLS):
        texts = put_nulls(rng, make_texts(rng, rng.choice([5, 300, 1500])), nulls)
        kind = rng.choice([pa.string(), pa.large_string(), pa.binary()])
        fields = [
            pa.field("before", pa.list_(pa.struct([("a", pa.int64()), ("b", pa.string())]))),
            pa.field("text", kind, nullable=nulls != "required"),
            pa.field("after", pa.float64()),
        ]
        columns = [[[{"a": 1, "b": "x"}] for _ in texts], texts, [0.5] * len(texts)]
        table = pa.table([pa.array(v, f.type) for v, f in zip(columns, fields)], schema=pa.schema(fields))
        path = folder / f"{codec}.{encoding}.{version}.{nulls}.parquet"
        pq.write_table(
            table,
            path,
            compression=codec,
            use_dictionary=encoding is None,
            column_encoding=None if encoding is None else {"text": encoding},
            data_page_version=version,
            row_group_size=rng.choice([3, 200, 10_000]),
            data_page_size=rng.choice([100, 2000, None]),
            dictionary_pagesize_limit=rng.choice([500, None]),
            write_batch_size=rng.choice([1, 64, None]),
            # Versions of libzstd differ in how much damage they notice by themselves.
            write_page_checksum=codec == "ZSTD" or rng.random() < 0.5,
            write_page_index=rng.random() < 0.5,
            store_schema=False,
        )
        paths.append(path)
    return paths


def describe(path, column="text"):
    """What parquet_probe should print, by pyarrow."""
    table = pq.ParquetFile(path, page_checksum_verification=True).read(columns=[column])
    digest, texts, nulls = hashlib.sha256(), 0, 0
    for text in table.column(column).cast(pa.large_binary()).to_pylist():
        if text is None:
            nulls += 1
            continue
        texts += 1
        digest.update(struct.pack("<I", len(text)))
        digest.update(text)
    return f"{texts} {nulls} {digest.hexdigest()}"


def probe(bin_folder, paths, column="text", files_a_process=500, preexec_fn=None):
    lines = []
    for begin in range(0, len(paths), files_a_process):
        command = [bin_folder / "parquet_probe", column, *paths[begin : begin + files_a_process]]
        done = subprocess.run(command, check=True, capture_output=True, text=True, errors="replace", preexec_fn=preexec_fn)
        lines += done.stdout.splitlines()
    assert len(lines) == len(paths)
    return lines


def check_damaged(bin_folder, folder, paths):
    rng = random.Random(12)
    small = [path for path in paths if path.stat().st_size < 60_000]
    damaged, originals = [], []
    for number in range(DAMAGED_FILES):
        original, other = rng.choice(small), rng.choice(small)
        path = folder / f"damaged_{number}.parquet"
        path.write_bytes(damage(rng, original.read_bytes(), other.read_bytes(), 1500))
        damaged.append(path)
        originals.append(original)
    accepted = 0
    for path, original, found in zip(damaged, originals, probe(bin_folder, damaged, files_a_process=10, preexec_fn=limit)):
        if found.startswith("refused: "):
            assert str(path) in found and ", " in found, found
            continue
        accepted += 1
        try:
            expected = describe(path)
        except (pa.ArrowException, OSError, UnicodeDecodeError, KeyError):
            expected = describe(original)  # the damage lies where no text is
        assert found == expected, (path, original, found, expected)
    print(f"{DAMAGED_FILES} damaged files: {DAMAGED_FILES - accepted} refused, {accepted} as pyarrow reads them")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--data", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        samples = sorted(SAMPLES.glob("accepted/*.parquet"))
        assert len(samples) == 4
        paths = write_matrix(folder) + samples
        for path, found in zip(paths, probe(arguments.bin, paths)):
            assert found == describe(path), (path, found, describe(path))
        print(f"{len(paths)} files of pyarrow read alike")
        check_damaged(arguments.bin, folder, paths)
    if arguments.data:
        data = pathlib.Path(arguments.data)
        for path in sorted([*data.glob("parquet/*.parquet"), *data.glob("containers/*.parquet")]):
            for column in [field.name for field in pq.read_schema(path) if field.type == pa.string()]:
                assert probe(arguments.bin, [path], column) == [describe(path, column)], (path, column)
    return 0


if __name__ == "__main__":
    sys.exit(main())
