# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""gpt2-eval-hellaswag against transformers: log-probabilities of every choice, and which one is chosen.

The reference runs every choice by itself, context and all, as the public scripts do. --model names a GPT-2 directory with
its tokenizer, --items how many questions; without a model the one of --data is taken, and a random one with a vocabulary
and questions of its own, which are longer than its context."""
import argparse
import json
import math
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import torch
import transformers
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2LMHeadModel

SUM_TOLERANCE = 1e-3  # nats
MARGIN = 2e-3  # below it two choices are as good as equal


class Reference:
    def __init__(self, folder):
        self.model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.context = self.model.config.n_positions
        self.end_of_text = self.model.config.eos_token_id
        self.tokenizer = ByteLevelBPETokenizer.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))

    def encode(self, text):
        return self.tokenizer.encode(text).ids

    def score(self, given, scored):
        """Sum of log-probabilities, and whether each token is the likeliest. A context that does not fit is cut on the left."""
        tokens = ((given or [self.end_of_text]) + scored)[-(self.context + 1):]
        with torch.inference_mode():
            logits = self.model(torch.tensor([tokens[:-1]])).logits[0, -len(scored):].double()
        targets = torch.tensor(scored)
        log_probabilities = torch.log_softmax(logits, -1)[range(len(scored)), targets]
        return log_probabilities.sum().item(), (logits.argmax(-1) == targets).tolist()

    def score_apart(self, context, continuation):
        """llm.c, build-nanogpt: context and continuation become tokens apart."""
        scored = self.encode(continuation)
        return self.score(self.encode(context), scored), len(scored)

    def score_together(self, context, continuation):
        """lm-evaluation-harness: blanks at the end of the context belong to the continuation."""
        given = self.encode(context.rstrip())
        whole = self.encode(context + continuation)
        return self.score(given, whole[len(given):])


def clean(text):
    text = re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". "))
    return text.replace("  ", " ")


def lm_eval_choices(task, item):
    """(context, continuation, choice) of each choice, by the definitions of lm-evaluation-harness."""
    if task == "hellaswag":
        query = clean(item["activity_label"] + ": " + item["ctx_a"] + " " + item["ctx_b"].capitalize())
        return [(query, " " + clean(ending), clean(ending)) for ending in item["endings"]]
    if task == "lambada":
        words = item["text"].split(" ")
        return [(" ".join(words[:-1]), " " + words[-1], words[-1])]
    if task == "piqa":
        return [(f"Question: {item['goal']}\nAnswer:", " " + item[key], item[key]) for key in ("sol1", "sol2")]
    if task == "arc-easy":
        texts = item["choices"]["text"]
        return [(f"Question: {item['question']}\nAnswer:", " " + text, text) for text in texts]
    before, after = item["sentence"].split("_")
    return [(before + item[key], " " + after.strip(), after.strip()) for key in ("option1", "option2")]


def first_maximum(values):
    return values.index(max(values))


def margin(values):
    best, second = sorted(values, reverse=True)[:2]
    return best - second


class Comparison:
    def __init__(self):
        self.worst, self.count, self.near = 0.0, 0, 0

    def compare(self, found, lengths, sums, name):
        """One item by one convention: `found` is our object, `sums` the reference's."""
        assert found[name] == lengths, (found, lengths)
        for ours, theirs in zip(found["sums"], sums, strict=True):
            self.worst = max(self.worst, abs(ours - theirs))
            assert abs(ours - theirs) < SUM_TOLERANCE, (found, sums)
        self.count += 1
        if len(sums) == 1:
            return
        means = [total / length if length else -math.inf for total, length in zip(sums, lengths)]
        for key, values in (("acc", sums), ("acc_norm", means)):
            if margin(values) > MARGIN:
                assert found[key] == first_maximum(values), (key, found, values)
            else:
                self.near += 1


def compare(options, folder, task, path, limit, *flags):
    reference = Reference(folder)
    lines = path.read_text().splitlines()[: limit or None]
    with tempfile.TemporaryDirectory() as name:
        items_path = pathlib.Path(name) / "items.jsonl"
        command = [options.bin / "gpt2-eval-hellaswag", "--checkpoint", folder, "--task", task, "--data", path,
                   "--items", items_path, "--limit", str(limit), "--json", *flags]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{command}: exit {done.returncode}: {done.stderr}")
        summary = json.loads(done.stdout)
        found = [json.loads(line) for line in items_path.read_text().splitlines()[1:]]
    assert summary["item_count"] == len(found) == len(lines)
    comparison = Comparison()
    for ours, line in zip(found, lines, strict=True):
        item = json.loads(line)
        choices = lm_eval_choices(task, item)
        scores = [reference.score_together(context, continuation) for context, continuation, _ in choices]
        comparison.compare(ours["lm_eval"], [len(text) for *_, text in choices], [total for total, _ in scores], "characters")
        if task == "lambada":
            greedy = scores[0][1]
            assert (ours["lm_eval"]["greedy"], ours["lm_eval"]["last_greedy"]) == (all(greedy), greedy[-1]), (ours, greedy)
        if task == "hellaswag":
            assert ours["label"] == int(item["label"])
            scores = [reference.score_apart(item["ctx"], " " + ending) for ending in item["endings"]]
            comparison.compare(ours["llmc"], [count for _, count in scores], [total for (total, _), _ in scores], "tokens")
    for convention in summary.keys() & {"llmc", "lm_eval"}:
        for key in ("acc", "acc_norm"):
            if task != "lambada":
                right = sum(ours[convention][key] == ours["label"] for ours in found)
                assert summary[convention][f"{key}_correct"] == right, (summary, right)
    print(f"{folder.name}, {task}: {len(lines)} questions, largest difference of a sum {comparison.worst:.2g} nats, "
          f"{comparison.near} choices within {MARGIN}")


WORDS = "the sea and a ship of kings went down by night; 12 men, naïve as snow 雪, said: don't [step] ÉTÉ  (two)".split(" ")


def make_questions(folder):
    chosen = random.Random(5)

    def text(least, most):
        return " ".join(chosen.choices(WORDS, k=chosen.randint(least, most)))

    def write(task, make):
        (folder / f"{task}.jsonl").write_text("".join(json.dumps(make()) + "\n" for _ in range(40)))

    def hellaswag():
        a, b = text(1, 40), text(0, 4)
        return {"activity_label": text(1, 2), "ctx_a": a, "ctx_b": b, "ctx": a + " " + b, "label": chosen.randrange(4),
                "endings": [text(1, 9) for _ in range(4)]}

    write("hellaswag", hellaswag)
    write("lambada", lambda: {"text": text(2, 40)})
    write("piqa", lambda: {"goal": text(1, 20), "sol1": text(1, 9), "sol2": text(1, 9), "label": 1})
    write("arc-easy", lambda: {"question": text(1, 20), "answerKey": "B",
                               "choices": {"text": [text(1, 5) for _ in range(3)], "label": ["A", "B", "C"]}})
    write("winogrande", lambda: {"sentence": text(1, 9) + " _ " + text(1, 9), "option1": "the king", "option2": "snow",
                                 "answer": "1"})


def make_model(folder):
    """Weights are large, so that choices differ much in probability; questions do not fit the context."""
    tokenizer = ByteLevelBPETokenizer()
    chosen = random.Random(1).choices(WORDS, k=3000)
    tokenizer.train_from_iterator([" ".join(chosen)], vocab_size=320, special_tokens=["<|endoftext|>"], show_progress=False)
    tokenizer.save_model(str(folder))
    torch.manual_seed(3)
    end_of_text = tokenizer.token_to_id("<|endoftext|>")
    config = GPT2Config(vocab_size=tokenizer.get_vocab_size(), n_positions=64, n_embd=40, n_layer=3, n_head=5,
                        initializer_range=0.25, bos_token_id=end_of_text, eos_token_id=end_of_text)
    GPT2LMHeadModel(config).eval().save_pretrained(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--items", type=int, default=40)
    options = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    real = options.data / "hellaswag" / "hellaswag_val_first.jsonl" if options.data else None
    if options.model:
        return compare(options, options.model, "hellaswag", real, options.items)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name) / "random"
        folder.mkdir()
        make_model(folder)
        make_questions(folder)
        for task in ("hellaswag", "lambada", "piqa", "arc-easy", "winogrande"):
            compare(options, folder, task, folder / f"{task}.jsonl", 0)
    if real and real.exists():
        compare(options, options.data / "tiny-gpt2", "hellaswag", real, options.items)


main()
