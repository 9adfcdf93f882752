#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""Encoding speed of gpt2-tokenize and its peers, one thread each, in turn: encode_speed.py --vocab DIR [FILE...]

Without files it takes the text that Debian's packages have brought to this machine: documentation, manual pages in
English and in other languages, and Python sources, shuffled by a fixed seed; 1 MB and --megabytes of each kind, and of
all kinds mixed. GPT2_TEST_DATA adds its texts. "process" is a whole process that reads the file and writes or drops the
ids, start and vocabulary included; "encoding" leaves the start out. Needs a Python with tiktoken; tokenizers is compared
with --all. Example, in a build folder:

    PATH=$PWD/bin:$PATH $(../scripts/oracle_python.sh) ../tests/bench/encode_speed.py --vocab $GPT2_TEST_DATA/gpt2
"""
import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
KINDS = {
    "documentation": ("/usr/share/doc", lambda path: path.suffix not in (".html", ".svg", ".json")),
    "manual pages": ("/usr/share/man", lambda path: path.parent.parent.name == "man"),
    "manuals, other languages": ("/usr/share/man", lambda path: path.parent.parent.name != "man"),
    "Python sources": ("/usr/lib", lambda path: path.suffix == ".py"),
}


def texts_of(folder, wanted, seed=1):
    """The UTF-8 texts of the folder's files, unpacked, in a random order that stays; none twice."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink() and wanted(path))
    random.Random(seed).shuffle(paths)
    seen = set()
    for path in paths:
        try:
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            content.decode("utf-8")
        except (OSError, EOFError, UnicodeDecodeError):
            continue
        if content and b"\0" not in content and hash(content) not in seen:
            seen.add(hash(content))
            yield content


def write_text(path, contents, size):
    """The first `size` bytes of the contents, cut at a line; all where there are fewer."""
    taken = bytearray()
    for content in contents:
        taken += content
        if len(taken) >= size:
            break
    path.write_bytes(taken[: taken.rfind(b"\n", 0, size) + 1])


def make_texts(work, megabytes):
    """The texts of this machine as (name, path)."""
    contents = {kind: list(texts_of(*source)) for kind, source in KINDS.items()}
    mixed = [content for kind in contents.values() for content in kind]
    random.Random(2).shuffle(mixed)
    contents["all kinds mixed"] = mixed
    made = []
    for size in (1, megabytes):
        for kind, texts in contents.items():
            path = work / f"{len(made)}.txt"
            write_text(path, texts, size * 1_000_000)
            made.append((kind, path))
    data = os.environ.get("GPT2_TEST_DATA")
    if data:
        for name in ("tinyshakespeare/input.txt", "web/wiki_demo.txt", "wikitext-2/test.txt"):
            made.append((name, Path(data) / name))
        made += [(path.name, path) for path in sorted((Path(data) / "unicode").glob("*.utf8.txt"))]
    return made


class Tool:
    name = "gpt2-tokenize"

    def __init__(self, vocab):
        self.command = ["gpt2-tokenize", "--json", "--vocab", vocab, "--threads", "1", "--format", "text"]

    def run(self, path):
        """Seconds of the whole process, and of encoding alone."""
        start = time.perf_counter()
        done = subprocess.run([*self.command, path], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        seconds = time.perf_counter() - start
        return seconds, json.loads(done.stderr)["seconds"]


class Peer:
    """A Python peer in a process of its own: --peer NAME."""

    def __init__(self, name, vocab):
        self.name, self.vocab = name, vocab

    def run(self, path):
        start = time.perf_counter()
        command = [sys.executable, __file__, "--vocab", self.vocab, "--peer", self.name, path]
        environment = dict(os.environ, RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
        return time.perf_counter() - start, float(done.stdout)


def load_tiktoken(vocab):
    import tiktoken
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks

    ranks = data_gym_to_mergeable_bpe_ranks(str(vocab / "vocab.bpe"), str(vocab / "encoder.json"))
    special = {"<|endoftext|>": len(ranks)}
    return tiktoken.Encoding("gpt2", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=special).encode_ordinary


def load_tokenizers(vocab):
    from tokenizers import ByteLevelBPETokenizer

    tokenizer = ByteLevelBPETokenizer(str(vocab / "encoder.json"), str(vocab / "vocab.bpe"))
    # Lines: it is slow, and takes much memory, on one long text.
    return lambda text: [encoded.ids for encoded in tokenizer.encode_batch(text.splitlines(keepends=True))]


PEERS = {"tiktoken": load_tiktoken, "tokenizers": load_tokenizers}


def run_as_peer(name, vocab, path):
    os.environ["TIKTOKEN_CACHE_DIR"] = ""
    encode = PEERS[name](vocab)
    text = path.read_bytes().decode("utf-8", errors="replace")
    start = time.perf_counter()
    encode(text)
    print(time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=Path, required=True, help="folder with encoder.json and vocab.bpe of GPT-2")
    parser.add_argument("--megabytes", type=int, default=20, help="size of the long texts")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many runs counts")
    parser.add_argument("--only", default="", help="texts whose name has this in it")
    parser.add_argument("--all", action="store_true", help="compare with Hugging Face tokenizers too")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*", type=Path)
    arguments = parser.parse_args()
    if arguments.peer:
        return run_as_peer(arguments.peer, arguments.vocab, arguments.files[0])
    tool = Tool(arguments.vocab)
    peers = [Peer(name, arguments.vocab) for name in (PEERS if arguments.all else ["tiktoken"])]
    with tempfile.TemporaryDirectory() as work:
        texts = [(path.name, path) for path in arguments.files] or make_texts(Path(work), arguments.megabytes)
        print(f"{'MB/s, one thread':28}{'MB':>8}" + "".join(f"{runner.name + ' process':>24}{'encoding':>10}" for runner in [tool, *peers])
              + f"{'ratio process':>16}{'encoding':>10}")
        for name, path in texts:
            if arguments.only not in name:
                continue
            megabytes = path.stat().st_size / 1e6
            best = {runner.name: (float("inf"), float("inf")) for runner in [tool, *peers]}
            for _ in range(arguments.rounds):
                for runner in [tool, *peers]:
                    best[runner.name] = tuple(map(min, best[runner.name], runner.run(path)))
            rates = "".join(f"{megabytes / process:24.1f}{megabytes / encoding:10.1f}" for process, encoding in best.values())
            ratios = [theirs / ours for ours, theirs in zip(best[tool.name], best[peers[0].name])]
            print(f"{name[:28]:28}{megabytes:8.1f}{rates}{ratios[0]:16.1f}{ratios[1]:10.1f}", flush=True)


if __name__ == "__main__":
    main()
