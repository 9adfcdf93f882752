# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""Shards, streams and manifests in plain Python, from the pages in formats/ alone; safetensors and tokenizers by their own
packages. Reads formats/samples and what the tools write, and checks that all sides agree."""
import argparse
import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "formats" / "samples"
NO_TOKEN = 0xFFFFFFFF
TEXTS = [
    "Hello, world! It's the 2nd of May.",
    "  two blanks, a tab\t, a new line\n\n and \u4e2d\u6587 \U0001f600 \u00e9",
    "\x00\x01 <|endoftext| > don't DON'T 12345 x=y+1;",
]


class Refused(Exception):
    pass


def require(condition, field):
    if not condition:
        raise Refused(field)


def make_crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = make_crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def read_tokens(payload, vocab_size):
    tokens = struct.unpack(f"<{len(payload) // 2}H", payload)
    require(all(token < vocab_size for token in tokens), "token")
    return list(tokens)


def read_shard(data):
    """A verified token shard (formats/token_shard.md) as a dictionary."""
    require(len(data) >= 1024, "header")
    magic, version, count = struct.unpack_from("<iii", data)
    require(magic == 20240520, "magic")
    require(version == 1, "version")
    require(count >= 0 and 1024 + 2 * count == len(data), "token_count")
    tag = data[512:520]
    require(tag in (bytes(8), b"GPT2SHRD"), "extension_tag")
    require(not any(data[12:512]), "reserved")
    if tag == bytes(8):
        require(not any(data[512:1024]), "reserved")
        return {"foreign": True, "tokens": read_tokens(data[1024:], 65536)}
    extension, vocab_size, end_of_text, payload_crc, count_64 = struct.unpack_from("<IIIIQ", data, 520)
    document_count = struct.unpack_from("<Q", data, 560)[0]
    require(extension == 1, "extension_version")
    require(struct.unpack_from("<I", data, 1020)[0] == crc32c(data[:1020]), "header_crc32c")
    require(1 <= vocab_size <= 65536, "vocab_size")
    require(end_of_text == NO_TOKEN or end_of_text < vocab_size, "end_of_text")
    require(count_64 == count, "token_count_64")
    require(not any(data[568:1020]), "reserved")
    tokens = read_tokens(data[1024:], vocab_size)
    require(payload_crc == crc32c(data[1024:]), "payload_crc32c")
    require(document_count == tokens.count(end_of_text), "document_count")
    return {"foreign": False, "vocab_size": vocab_size, "end_of_text": end_of_text, "tokenizer": data[544:560],
            "document_count": document_count, "tokens": tokens}


def read_stream(data):
    """A token stream (formats/token_stream.md) as a dictionary."""
    require(len(data) >= 64, "the_stream_ends_here")
    magic, version, vocab_size, end_of_text, width = struct.unpack_from("<8sIIII", data)
    require(magic == b"GPT2TOKS", "magic")
    require(version == 1, "version")
    require(struct.unpack_from("<I", data, 60)[0] == crc32c(data[:60]), "header_crc32c")
    require(1 <= vocab_size <= 65536, "vocab_size")
    require(end_of_text == NO_TOKEN or end_of_text < vocab_size, "end_of_text")
    require(width == 2, "bytes_per_token")
    require(not any(data[40:60]), "reserved")
    tokens, offset = [], 64
    while True:
        require(offset + 8 <= len(data), "the_stream_ends_here")
        kind, size = struct.unpack_from("<II", data, offset)
        require(kind in (1, 2), "kind")
        require(size == 16 if kind == 2 else 2 <= size <= 4 << 20 and size % 2 == 0, "payload_bytes")
        end = offset + 8 + size
        require(end + 4 <= len(data), "the_stream_ends_here")
        require(struct.unpack_from("<I", data, end)[0] == crc32c(data[offset:end]), "frame_crc32c")
        payload = data[offset + 8 : end]
        offset = end + 4
        if kind == 2:
            break
        tokens += read_tokens(payload, vocab_size)
    token_count, document_count = struct.unpack("<QQ", payload)
    require(token_count == len(tokens), "token_count")
    require(offset == len(data), "end_of_stream")
    return {"vocab_size": vocab_size, "end_of_text": end_of_text, "tokenizer": data[24:40],
            "document_count": document_count, "tokens": tokens}


def unique_keys(pairs):
    require(len(dict(pairs)) == len(pairs), "is_there_twice")
    return dict(pairs)


def read_manifest(data):
    """checkpoint.json (formats/checkpoint.md) as a dictionary."""
    covered = data[: max(data.rfind(b'"crc32c": "'), 0)]
    require(data == covered + b'"crc32c": "%08x"\n}\n' % crc32c(covered), "crc32c")
    manifest = json.loads(data.decode(), object_pairs_hook=unique_keys)
    require(manifest["format_version"] == 1, "format_version")
    for key in ("step", "sequences_consumed", "seed", "order_version", "slots", "rank_count"):
        require(type(manifest.get(key)) is int and manifest[key] >= 0, key)
    require(len(manifest["tokenizer"]) == 32 and int(manifest["tokenizer"], 16) >= 0, "tokenizer")
    require(all(type(shard["foreign"]) is bool for shard in manifest["training_data"]), "foreign")
    names = [file["name"] for file in manifest["files"]]
    require(all(name not in ("", ".", "..") and not set(name) & set("/\0") for name in names), "name")
    require(all(tensor["file"] in names for tensor in manifest["tensors"]), "file")
    return manifest


READERS = {".shard": read_shard, ".stream": read_stream, ".manifest": read_manifest}


def check_samples():
    for suffix, read in READERS.items():
        accepted = sorted(SAMPLES.glob(f"accepted/*{suffix}"))
        refused = sorted(SAMPLES.glob(f"refused/*{suffix}"))
        assert accepted and refused
        for path in accepted:
            read(path.read_bytes())
        for path in refused:
            try:
                read(path.read_bytes())
            except Refused as reason:
                assert path.name.startswith(f"{reason}__"), (path.name, reason)
            else:
                sys.exit(f"{path}: is not refused")
        print(f"{suffix[1:]}: {len(accepted)} samples accepted, {len(refused)} refused, as by the C++ readers")
    tokens = [9, 1, 2, 9, 3]
    fingerprint = bytes(range(0xA0, 0xB0))
    for name in ("two_documents.shard", "two_documents.stream"):
        path = SAMPLES / "accepted" / name
        found = READERS[path.suffix](path.read_bytes())
        assert (found["tokens"], found["document_count"], found["tokenizer"]) == (tokens, 2, fingerprint)
    assert read_shard((SAMPLES / "accepted/foreign.shard").read_bytes()) == {"foreign": True, "tokens": tokens}
    manifest = read_manifest((SAMPLES / "accepted/step_20.manifest").read_bytes())
    assert manifest["step"] == 20 and manifest["files"][0]["crc32c"] == f"{crc32c(b'weights'):08x}"


def check_arrays():
    """NumPy reads the arrays as this page says."""
    import numpy

    for name in ("five_tokens.npy", "version_2.npy"):
        array = numpy.load(SAMPLES / "accepted" / name)
        assert array.dtype == numpy.uint16 and array.tolist() == [9, 1, 2, 9, 3]


def check_safetensors():
    from safetensors import safe_open

    def load(name):
        with safe_open(SAMPLES / "accepted" / name, framework="pt") as file:
            return file.metadata(), {key: file.get_tensor(key) for key in file.keys()}

    _, tensors = load("two_tensors.safetensors")
    assert tensors["a"].tolist() == [1, -2] and str(tensors["a"].dtype) == "torch.float32"
    assert tensors["b"].tolist() == [[0.5], [3]] and str(tensors["b"].dtype) == "torch.bfloat16"
    metadata, tensors = load("no_tensors.safetensors")
    assert metadata == {"format": "pt"} and not tensors
    _, tensors = load("no_elements_and_scalar.safetensors")
    assert tuple(tensors["none"].shape) == (0, 3) and tensors["one"].item() == 1
    print("safetensors: the package reads our samples with the same values")


def run(*command, data=b""):
    done = subprocess.run([str(word) for word in command], input=data, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{command}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def fingerprint_of(vocabulary, merges, special):
    """The tokenizer fingerprint (formats/tokenizer_files.md) from GPT-2's own files."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    byte_of = {chr(byte): byte for byte in printable}
    byte_of.update({chr(256 + place): byte for place, byte in enumerate(others)})
    ids = json.loads(vocabulary.read_text("utf-8"))
    pairs = [line.split(" ") for line in merges.read_text("utf-8").splitlines()[1:]]

    def number(value):
        return struct.pack("<I", value)

    data = number(len(ids))
    for text, _ in sorted(ids.items(), key=lambda item: item[1]):
        token = text.encode() if text == special else bytes(byte_of[character] for character in text)
        data += number(len(token)) + token
    data += number(len(pairs)) + b"".join(number(ids[left]) + number(ids[right]) for left, right in pairs)
    data += number(1) + number(ids[special]) + number(len(special)) + special.encode()
    return hashlib.sha256(data).digest()[:16]


def check_tools(tools, data, folder):
    """What gpt2-tokenize and gpt2-shard write, byte by byte."""
    text = folder / "texts.jsonl"
    text.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*TEXTS, ""] * 300), "utf-8")
    stream = run(tools / "gpt2-tokenize", "--vocab", data / "gpt2", text)
    found = read_stream(stream)
    assert found["document_count"] == 1200 and found["tokens"].count(50256) == 1200
    expected = fingerprint_of(data / "gpt2/encoder.json", data / "gpt2/vocab.bpe", "<|endoftext|>")
    assert found["tokenizer"] == expected
    run(tools / "gpt2-shard", "--out-dir", folder, "--prefix", "p", "--tokens-per-shard", 10000, "--val-tokens", 5000,
        data=stream)
    shards = [read_shard(path.read_bytes()) for path in sorted(folder.glob("p_*.bin"), key=lambda path: path.name[-10:])]
    assert len(shards) > 2
    assert [token for shard in shards for token in shard["tokens"]] == found["tokens"]
    assert sum(shard["document_count"] for shard in shards) == 1200
    assert all(shard["tokenizer"] == expected for shard in shards)
    print(f"tools: stream and {len(shards)} shards of {len(found['tokens'])} tokens agree, fingerprint {expected.hex()}")


def check_tokenizer_folder(tools, data, folder):
    """The folder that the C++ writer makes of GPT-2's own files, in tokenizers and transformers."""
    import tokenizers

    run(tools / "copy_tokenizer", data / "gpt2", folder)
    source = tokenizers.ByteLevelBPETokenizer(str(data / "gpt2/encoder.json"), str(data / "gpt2/vocab.bpe"))
    expected = [source.encode(text).ids for text in TEXTS]
    written = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert [written.encode(text).ids for text in TEXTS] == expected
    assert written.token_to_id("<|endoftext|>") == 50256 and written.get_vocab_size() == 50257
    assert [written.decode(ids, skip_special_tokens=False) for ids in expected] == TEXTS
    # In a program of its own: loading must print nothing at all.
    script = (
        "import json, sys, transformers\n"
        "tokenizer = transformers.AutoTokenizer.from_pretrained(sys.argv[1])\n"
        "texts = json.load(sys.stdin)\n"
        "print(json.dumps([[tokenizer(text)['input_ids'] for text in texts], tokenizer.model_max_length,\n"
        "  tokenizer.eos_token_id, len(tokenizer), tokenizer.decode([50256, 220, 764])]))\n"
        "tokenizer.save_pretrained(sys.argv[1] + '/saved')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], input=json.dumps(TEXTS), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", done.stderr
    assert json.loads(done.stdout) == [expected, 1024, 50256, 50257, "<|endoftext|>  ."]
    (folder / "copied").mkdir()
    run(tools / "copy_tokenizer", folder / "saved", folder / "copied")
    for name in ("vocab.json", "merges.txt", "tokenizer.json"):
        assert (folder / "copied" / name).read_bytes() == (folder / name).read_bytes(), name
    print("tokenizer: what transformers saves reads back the same")
    print("tokenizer: tokenizers and transformers load our folder in silence and give the same ids")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    check_samples()
    try:
        import safetensors, tokenizers, torch, transformers  # noqa: F401, E401
    except ImportError as missing:
        print(f"skipped: {missing}")
        sys.exit(77)
    check_arrays()
    check_safetensors()
    if not (arguments.data / "gpt2").is_dir():
        print("skipped: no GPT-2 vocabulary in GPT2_TEST_DATA")
        sys.exit(77)
    for check in (check_tools, check_tokenizer_folder):
        with tempfile.TemporaryDirectory() as folder:
            check(arguments.bin.resolve(), arguments.data.resolve(), pathlib.Path(folder))


if __name__ == "__main__":
    main()
