# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""One random damage to the bytes of a file, and what a reader may use to find it."""
import resource


def damage(rng, data, other, edge_bytes):
    """A bit, a byte of the first or last `edge_bytes` (where most numbers are), a cut, or a part of another file."""
    data = bytearray(data)
    kind = rng.randrange(5)
    if kind == 0:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[max(0, len(data) - 1 - rng.randrange(edge_bytes))] = rng.randrange(256)
    elif kind == 2:
        data[min(len(data) - 1, rng.randrange(edge_bytes))] = rng.randrange(256)
    elif kind == 3:
        begin = rng.randrange(len(data))
        del data[begin : begin + rng.randrange(1, 200)]
    else:
        begin, source = rng.randrange(len(data)), rng.randrange(len(other))
        part = other[source : source + rng.randrange(1, 300)]
        data[begin : begin + len(part)] = part
    return bytes(data)


def limit():
    """A second of CPU time and 256 MiB: preexec_fn of a process that reads damaged files, one or a few."""
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))
