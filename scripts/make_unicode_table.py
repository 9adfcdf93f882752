#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""Writes libcore/text/unicode_classes.cpp from a list of code-point ranges.

Usage: make_unicode_table.py RANGES.txt > libcore/text/unicode_classes.cpp

RANGES.txt has lines "CLASS FIRST LAST" with hexadecimal, inclusive code points; CLASS is L (letter), N (number) or
S (white space); everything else is "other". Lines that begin with # are ignored.
"""
import sys

BLOCK = 256  # code points a block; two bits each, so 64 bytes
CLASS_BITS = {"L": 1, "N": 2, "S": 3}  # as CharacterClass in unicode_classes.h


def read_classes(path):
    classes = [0] * 0x110000
    with open(path, encoding="ascii") as ranges:
        for line in ranges:
            if not line.strip() or line.startswith("#"):
                continue
            name, first, last = line.split()
            for code_point in range(int(first, 16), int(last, 16) + 1):
                classes[code_point] = CLASS_BITS[name]
    return classes


def pack_block(classes):
    packed = bytearray(BLOCK // 4)
    for index, value in enumerate(classes):
        packed[index // 4] |= value << (2 * (index % 4))
    return bytes(packed)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    classes = read_classes(sys.argv[1])
    last_classified = max(index for index, value in enumerate(classes) if value)
    blocks = {}  # packed block -> its number
    block_of = []
    for start in range(0, last_classified + 1, BLOCK):
        block_of.append(blocks.setdefault(pack_block(classes[start : start + BLOCK]), len(blocks)))
    assert len(blocks) <= 256

    def rows(values):
        return "\n".join(
            "    " + ", ".join(str(value) for value in values[start : start + 20]) + ","
            for start in range(0, len(values), 20)
        )

    print(
        f"""// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Made by scripts/make_unicode_table.py from the ranges of Unicode 16.0; do not edit.
// clang-format off
#include "libcore/text/unicode_classes.h"

namespace gpt2::text::unicode_tables {{

const std::array<std::uint8_t, kBlockCount> kBlockOf = {{
{rows(block_of)}
}};

const std::uint8_t kPackedClasses[][kBlockBytes] = {{"""
    )
    for packed in blocks:
        print("  {\n" + rows(list(packed)) + "\n  },")
    print("};\n\n}  // namespace gpt2::text::unicode_tables")
    print(f"kBlockCount must be {len(block_of)}; {len(blocks)} blocks", file=sys.stderr)


main()
