# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""gpt2-tokenize against tiktoken and Hugging Face tokenizers: ids, round trips, trained vocabularies."""
import argparse
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

os.environ["TIKTOKEN_CACHE_DIR"] = ""  # its cache goes by file name and would give an older vocabulary
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
END_OF_TEXT = "<|endoftext|>"
RANDOM_STRINGS = 200_000


def run(*command, data=b""):
    done = subprocess.run([str(word) for word in command], input=data, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{command}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def read_stream(stream):
    """The documents of a token stream as lists of ids (formats/token_stream.md)."""
    assert stream[:8] == b"GPT2TOKS"
    end_of_text = struct.unpack_from("<I", stream, 16)[0]
    offset, ids = 64, []
    while True:
        kind, size = struct.unpack_from("<II", stream, offset)
        payload = stream[offset + 8 : offset + 8 + size]
        offset += 8 + size + 4
        if kind == 2:
            break
        ids.extend(struct.unpack(f"<{size // 2}H", payload))
    token_count, document_count = struct.unpack("<QQ", payload)
    assert offset == len(stream) and token_count == len(ids)
    documents = []
    for token in ids:
        if token == end_of_text:
            documents.append([])
        else:
            documents[-1].append(token)
    assert len(documents) == document_count
    return documents


def unpacked(file):
    """The bytes of a file as the tool reads them: gzip and zstd are unpacked."""
    commands = {".gz": "gzip", ".zst": "zstd"}
    if file.suffix in commands:
        return run(commands[file.suffix], "-dcq", file)
    return file.read_bytes()


def load_tiktoken(merges, vocabulary):
    import tiktoken
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks

    ranks = data_gym_to_mergeable_bpe_ranks(str(merges), str(vocabulary))
    return tiktoken.Encoding(
        "gpt2-tools", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={END_OF_TEXT: len(ranks)}
    )


def replace_lone_surrogates(text):
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def random_string(generator):
    common = ["'s", "'ll", "'", " ", " ", "  ", "\n", "\t", "the", "Of", "1984", "...", "\u00e9", "\u3000", "\u00a0", "\x00"]
    text = []
    for _ in range(generator.randrange(12)):
        choice = generator.random()
        if choice < 0.6:
            text.append(generator.choice(common))
        elif choice < 0.75:
            text.append(chr(generator.randrange(0x300)))
        elif choice < 0.95:
            text.append(chr(generator.randrange(0x110000)))  # surrogates too
        else:
            text.append(chr(generator.randrange(0xD800, 0xE000)))
    return "".join(text)


class Oracle:
    def __init__(self, tool, data, work):
        self.tool, self.data, self.work = tool, data, work
        self.vocab = data / "gpt2"
        self.tiktoken = load_tiktoken(self.vocab / "vocab.bpe", self.vocab / "encoder.json")

    def encode(self, *files, vocab=None, arguments=(), data=b""):
        return run(self.tool, "--vocab", vocab or self.vocab, *arguments, *files, data=data)

    def decode(self, stream, vocab=None):
        return run(self.tool, "decode", "--vocab", vocab or self.vocab, data=stream)

    def compare(self, what, found, expected):
        if len(found) != len(expected):
            sys.exit(f"{what}: {len(found)} documents, expected {len(expected)}")
        for number, (ours, theirs) in enumerate(zip(found, expected)):
            if ours == theirs:
                continue
            place = next((i for i, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]), min(len(ours), len(theirs)))
            sys.exit(
                f"{what}: document {number} differs at token {place}: "
                f"{ours[place : place + 8]}, expected {theirs[place : place + 8]}"
            )

    def check_files(self):
        """Every file of the data: the ids of tiktoken where it is UTF-8, the same bytes back always."""
        texts = others = 0
        for file in sorted(path for path in self.data.rglob("*") if path.is_file()):
            content = unpacked(file)
            stream = self.encode(file, arguments=["--format", "text"])
            if self.decode(stream) != content:
                sys.exit(f"{file}: decode(encode(file)) differs from the file")
            try:
                text = content.decode("utf-8")
            except UnicodeDecodeError:
                others += 1
                continue
            self.compare(file, read_stream(stream), [self.tiktoken.encode_ordinary(text)])
            texts += 1
            if file.suffix == ".jsonl":
                self.check_jsonl(file)
        assert texts >= 10 and others >= 1, (texts, others)
        print(f"{texts} texts: the ids of tiktoken; {others} other files: the same bytes back")

    def check_jsonl(self, file):
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        field = next(name for name in ("text", "ctx") if name in lines[0])
        found = read_stream(self.encode(file, arguments=["--text-field", field]))
        self.compare(file, found, [self.tiktoken.encode_ordinary(line[field]) for line in lines])

    def check_random_strings(self):
        from tokenizers import ByteLevelBPETokenizer

        generator = random.Random(1)
        texts = [random_string(generator) for _ in range(RANDOM_STRINGS)]
        file = self.work / "random.jsonl"
        with open(file, "w", encoding="utf-8", newline="\n") as out:
            for text in texts:
                lone = any(0xD800 <= ord(character) < 0xE000 for character in text)
                out.write(json.dumps({"text": text}, ensure_ascii=lone or generator.random() < 0.5) + "\n")
        texts = [replace_lone_surrogates(text) for text in texts]
        found = read_stream(self.encode(file))
        self.compare("random strings", found, self.tiktoken.encode_ordinary_batch(texts))
        sample = slice(0, 20_000)
        hugging_face = ByteLevelBPETokenizer(str(self.vocab / "encoder.json"), str(self.vocab / "vocab.bpe"))
        expected = [encoded.ids for encoded in hugging_face.encode_batch(texts[sample])]
        self.compare("random strings, Hugging Face", found[sample], expected)
        print(f"{len(texts)} random strings: the ids of tiktoken, {len(expected)} also of Hugging Face")

    def check_random_bytes(self):
        generator = random.Random(2)
        for size in (0, 1, 2, 100, 3_000_000):
            content = generator.randbytes(size)
            if self.decode(self.encode("-", data=content)) != content:
                sys.exit(f"{size} random bytes do not come back")
        print("random bytes come back")

    def check_training(self, name, vocab_size, files, min_frequency=2):
        """The merges of Hugging Face's trainer; the vocabulary loads in both peers and gives the same ids."""
        from tokenizers import ByteLevelBPETokenizer, Tokenizer

        out = self.work / f"vocab-{name}-{vocab_size}"
        run(self.tool, "train", "--vocab-size", vocab_size, "--min-frequency", min_frequency, "--out", out, *files)
        texts = [file.read_bytes().decode("utf-8") for file in files]
        peer = ByteLevelBPETokenizer()
        peer.train_from_iterator(
            texts, vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=[END_OF_TEXT], show_progress=False
        )
        expected = [tuple(merge) for merge in json.loads(peer.to_str())["model"]["merges"]]
        lines = (out / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
        found = [tuple(line.split(" ")) for line in lines]
        if found != expected:
            place = next((i for i, pair in enumerate(zip(found, expected)) if pair[0] != pair[1]), min(len(found), len(expected)))
            sys.exit(f"{name}: merge {place} is {found[place : place + 3]}, Hugging Face has {expected[place : place + 3]}")
        entries = json.loads((out / "vocab.json").read_text(encoding="utf-8"))
        assert entries[END_OF_TEXT] == len(entries) - 1 == len(found) + 256

        ids = [document for file in files for document in read_stream(self.encode(file, vocab=out))]
        tiktoken = load_tiktoken(out / "merges.txt", out / "vocab.json")
        self.compare(f"{name} in tiktoken", ids, [tiktoken.encode_ordinary(text) for text in texts])
        for form in (
            ByteLevelBPETokenizer(str(out / "vocab.json"), str(out / "merges.txt")),
            Tokenizer.from_file(str(out / "tokenizer.json")),
        ):
            self.compare(f"{name} in Hugging Face", ids, [form.encode(text).ids for text in texts])
        print(f"{name}: {len(found)} merges, all as Hugging Face's; ids equal in tiktoken and Hugging Face")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--data", required=True)
    arguments = parser.parse_args()
    tool, data = arguments.bin / "gpt2-tokenize", pathlib.Path(arguments.data)
    if not arguments.data or not (data / "gpt2" / "vocab.bpe").exists() or not tool.exists():
        print("skipped: needs gpt2-tokenize and GPT2_TEST_DATA")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as work:
        oracle = Oracle(tool, data, pathlib.Path(work))
        oracle.check_random_bytes()
        oracle.check_files()
        oracle.check_random_strings()
        oracle.check_training("tinyshakespeare", 2000, [data / "tinyshakespeare" / "input.txt"])
        oracle.check_training("wiki", 8192, [data / "web" / "wiki_demo.txt"])
        oracle.check_training("wiki-frequent", 8192, [data / "web" / "wiki_demo.txt"], min_frequency=50)
        oracle.check_training("scripts", 12000, sorted((data / "unicode").glob("*.utf8.txt")))


main()
