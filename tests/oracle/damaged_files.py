# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""Damaged gzip, zip and safetensors files: each is refused, or read exactly as Python's reader does."""
import argparse
import gzip
import hashlib
import io
import pathlib
import random
import subprocess
import tempfile
import zipfile
import zlib

import numpy
import safetensors
import safetensors.numpy

from damage import damage, limit

FILES = 300  # of each kind
MEMBER = "wiki/test.raw"


def make_text(rng, words):
    return " ".join(str(rng.randrange(5000)) for _ in range(words)).encode()


def make_gzip(rng):
    """Up to three members, one of them stored without compression."""
    return b"".join(gzip.compress(make_text(rng, 400), level, mtime=0) for level in (9, 0, 1)[: rng.randrange(1, 4)])


def make_zip(rng):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        archive.writestr("wiki/notes", make_text(rng, 50))
        archive.writestr(MEMBER, make_text(rng, 400))
    return packed.getvalue()


def make_safetensors(rng):
    numbers = numpy.random.default_rng(rng.randrange(1000))
    shapes = [(rng.randrange(5), 7), (rng.randrange(1, 30),), ()]
    tensors = {f"h.{i}.weight": numbers.random(shape).astype(rng.choice(["f4", "f2"])) for i, shape in enumerate(shapes)}
    return safetensors.numpy.save(tensors, {"format": "pt"})


def read_gzip(path):
    return gzip.decompress(path.read_bytes())


def read_zip(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read(MEMBER)


def read_safetensors(path):
    lines = []
    for name, tensor in safetensors.deserialize(path.read_bytes()):
        data = bytes(tensor["data"])
        lines.append(f"{name} {tensor['dtype']} {list(tensor['shape'])} {hashlib.sha256(data).hexdigest()}\n")
    return "".join(sorted(lines)).encode()


KINDS = [
    (".gz", make_gzip, ["packed"], [], read_gzip, (OSError, EOFError, zlib.error)),
    (".zip", make_zip, ["zip"], [MEMBER], read_zip, (zipfile.BadZipFile, OSError, EOFError, zlib.error, KeyError, ValueError,
                                                     NotImplementedError, RuntimeError)),
    (".safetensors", make_safetensors, ["safetensors"], [], read_safetensors, (safetensors.SafetensorError,)),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--data", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for ending, make, before, after, read, errors in KINDS:
            rng = random.Random(12)
            path = pathlib.Path(folder) / f"file{ending}"
            accepted = 0
            for number in range(-1, FILES):
                good = make(rng)
                path.write_bytes(good if number < 0 else damage(rng, good, make(rng), 120))
                done = subprocess.run(
                    [options.bin / "file_probe", *before, path, *after], capture_output=True, preexec_fn=limit
                )
                assert done.returncode in (0, 65), (ending, number, done)
                if done.returncode == 65:
                    assert number >= 0 and done.stderr.count(b"\n") == 1 and str(path).encode() in done.stderr, done
                    continue
                accepted += number >= 0
                found = done.stdout
                if ending == ".safetensors":
                    found = b"".join(sorted(found.splitlines(keepends=True)))
                try:
                    expected = read(path)
                except errors as error:
                    raise AssertionError(f"{ending} {number}: accepted, but the peer says {error!r}") from error
                assert found == expected, (ending, number)
            print(f"{FILES} damaged {ending} files: {FILES - accepted} refused, {accepted} as Python reads them")


main()
