# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""TensorBoard, W&B and a Prometheus client read what a run wrote for them, which was stopped, set back and resumed: every step
is there once, with the numbers of metrics.jsonl."""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from prometheus_client.parser import text_string_to_metric_families
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SCALARS = ["loss", "learning_rate", "gradient_norm", "tokens", "tokens_per_second"]


def run_tool(*command, code=0):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == code, (command, done.returncode, done.stderr)
    return done.stdout


def make_run(tools, folder):
    text = folder / "text.txt"
    text.write_text("".join(f"the number {i} comes after {i - 1}\n" for i in range(1, 400)))
    run_tool(tools / "gpt2-tokenize", "train", "--vocab-size", 300, "--out", folder / "vocab", text)
    with open(folder / "stream", "wb") as stream:
        subprocess.run([tools / "gpt2-tokenize", "--vocab", folder / "vocab", text], stdout=stream, check=True)
    with open(folder / "stream", "rb") as stream:
        subprocess.run([tools / "gpt2-shard", "--out-dir", folder / "shards", "--prefix", "text", "--val-tokens", "500"],
                       stdin=stream, check=True)
    run = folder / "run"
    train = [tools / "gpt2-train", "-q", "--out", run]
    run_tool(*train, "--train", folder / "shards/text_train_*.bin", "--val", folder / "shards/text_val_*.bin", "--vocab",
             folder / "vocab", "--layers", 1, "--heads", 2, "--channels", 32, "--context", 16, "--batch-size", 2,
             "--total-batch-tokens", 64, "--max-steps", 20, "--schedule", "constant", "--val-every", 5, "--sample-every", 10,
             "--histogram-every", 10, "--save-every-steps", 4, "--tensorboard", "--wandb", "project", "--wandb-entity",
             "team", "--wandb-tags", "a", "b",
             "--prometheus", folder / "run.prom")
    for last_kept, steps in ((12, 26), (16, 30)):  # what came after is lost, and made anew
        for checkpoint in (run / "checkpoints").iterdir():
            if checkpoint.is_symlink():
                checkpoint.unlink()
            elif json.loads((checkpoint / "checkpoint.json").read_text())["step"] > last_kept:
                shutil.rmtree(checkpoint)
        run_tool(*train, "--resume", "latest", "--max-steps", steps)
    return run


def check_tensorboard(run, records):
    accumulator = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0, "histograms": 0})
    accumulator.Reload()

    def check(tag, kind, number):
        wanted = [(record["step"], record[number]) for record in records if record["kind"] == kind]
        found = [(event.step, event.value) for event in accumulator.Scalars(tag)]
        assert [step for step, _ in found] == [step for step, _ in wanted], tag
        assert all(abs(a - b) <= 1e-6 * abs(b) for (_, a), (_, b) in zip(found, wanted)), tag

    for number in SCALARS:
        check(f"train/{number}", "train", number)
    check("val/loss", "val", "loss")
    histograms = [record for record in records if record["kind"] == "histogram"]
    assert len(histograms) == 3 * len(accumulator.Tags()["histograms"]) > 0
    for tag in accumulator.Tags()["histograms"]:
        found = [(event.step, event.histogram_value.num, event.histogram_value.max) for event in accumulator.Histograms(tag)]
        assert found == [(record["step"], sum(record["counts"]), record["high"]) for record in histograms
                         if record["text"] == tag], tag
    samples = accumulator.Tensors("sample/text_summary")
    wanted = [(record["step"], record["text"]) for record in records if record["kind"] == "sample"]
    assert [(event.step, event.tensor_proto.string_val[0].decode()) for event in samples] == wanted
    settings = accumulator.Tensors("configuration/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "|channels|32|" in settings, settings


def check_wandb(run, records):
    folders = list((run / "wandb").iterdir())
    assert len(folders) == 1, folders
    wandb = pathlib.Path(sys.executable).with_name("wandb")
    lines = [json.loads(line) for line in run_tool(wandb, "leet", "inspect", "--json", folders[0]).splitlines()]
    assert [line["num"] for line in lines] == list(range(1, len(lines) + 1))
    described = next(line["run"] for line in lines if line["type"] == "run")
    assert described["project"] == "project" and described["entity"] == "team" and described["tags"] == ["a", "b"], described
    assert described["config"]["update"]["channels"] == 32
    rows = [line["history"]["item"] for line in lines if line["type"] == "history"]
    by_step = {}
    for record in records:
        if record["kind"] == "histogram":
            edges = [record["low"] + (record["high"] - record["low"]) * i / 64 for i in range(65)]
            by_step[record["step"]][record["text"]] = {"_type": "histogram", "values": record["counts"], "bins": edges}
        if record["kind"] in ("train", "val", "sample"):
            row = by_step.setdefault(record["step"], {})
            for name, value in record.items():
                if name not in ("kind", "step", "time"):
                    row["sample" if name == "text" else f"{record['kind']}/{name}"] = value
    assert [row["_step"] for row in rows] == list(by_step)
    for row in rows:
        assert {name: row[name] for name in row if name[0] != "_"} == by_step[row["_step"]], row
    assert lines[-1]["exit"]["exit_code"] == 0
    summary = json.loads(run_tool(wandb, "leet", "inspect", "--summary", "--json", folders[0]))
    assert summary["summary"]["_step"] == 30, summary


def check_prometheus(path, records):
    newest = [record for record in records if record["kind"] == "train"][-1]
    found = {}
    for family in text_string_to_metric_families(path.read_text()):
        for sample in family.samples:
            assert sample.labels == {"run": "run"} and family.documentation
            found[sample.name] = sample.value
    assert found["gpt2_train_step"] == 30
    for number in ("loss", "learning_rate", "gradient_norm", "tokens_per_second"):
        assert found[f"gpt2_train_{number}"] == newest[number]
    assert found["gpt2_train_tokens_total"] == newest["tokens"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--data", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        run = make_run(arguments.bin, folder)
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        assert [record["step"] for record in records if record["kind"] == "train"] == list(range(1, 31))
        check_tensorboard(run, records)
        check_wandb(run, records)
        check_prometheus(folder / "run.prom", records)
    return 0


if __name__ == "__main__":
    sys.exit(main())
