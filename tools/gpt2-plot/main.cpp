// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-plot: the curves of a run as a picture or as numbers.
#include "formats/errors.h"
#include "libcore/plot/curves_svg.h"
#include "libcore/plot/run_curves.h"
#include "tools/cli/tool.h"

using namespace gpt2;

int main(int argc, char** argv) {
  std::vector<std::string> run;
  std::string out;
  bool json = false;
  cli::Tool tool("gpt2-plot", "Draw the loss curves of a training run.");
  tool.reads(
      "metrics.jsonl of the run folder, or log.txt where there is none (formats/train_log.md)");
  tool.writes("an SVG picture in --out; a summary on stdout with --json");
  tool.example("gpt2-plot runs/demo/run --out curves.svg");
  tool.positional("RUN", run, "run folder");
  tool.required();
  tool.option("--out FILE", out, "picture to write, *.svg; - is stdout");
  tool.flag("--json", json, "print points, last and best of each curve as JSON");
  return tool.run(argc, argv, [&] {
    if (out.empty() && !json) throw formats::UsageError("give --out FILE.svg, --json, or both");
    if (out == "-" && json) throw formats::UsageError("--out - and --json both want stdout");
    if (!out.empty() && out != "-" && !out.ends_with(".svg")) {
      throw formats::UsageError("--out " + out + ": only SVG is written; end the name with .svg");
    }
    const auto curves = plot::load_run_curves(run.front());
    if (out == "-") cli::print(plot::draw_curves(curves));
    if (!out.empty() && out != "-") plot::save_curves(curves, out);
    if (json) cli::print(plot::summary_json(curves) + '\n');
  });
}
