// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-plot: the curves of runs as a picture, a page, or numbers.
#include <span>
#include <string>
#include <vector>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "libcore/plot/curves_svg.h"
#include "libcore/plot/curves_text.h"
#include "libcore/plot/report_html.h"
#include "libcore/plot/run_curves.h"
#include "tools/cli/tool.h"
#include "tools/gpt2-plot/live_page.h"

using namespace gpt2;

namespace {

struct Settings {
  std::vector<std::string> runs;
  std::string out;
  bool json = false, follow = false;
  std::uint32_t port = 8080;
};

void check(const Settings& settings) {
  const auto& out = settings.out;
  if (out == "-" && settings.json) throw formats::UsageError("--out - and --json both want stdout");
  if (!out.empty() && out != "-" && !out.ends_with(".svg") && !out.ends_with(".html")) {
    throw formats::UsageError(
        "--out " + out + ": a picture is written to a name that ends in .svg, a page to .html");
  }
  if (settings.follow && (settings.json || !out.empty())) {
    throw formats::UsageError(
        "--follow shows a page that is not written; leave --out and --json out");
  }
  if (settings.port > 65535) throw formats::UsageError("--port must be at most 65535");
}

std::vector<plot::RunCurves> load(const Settings& settings) {
  std::vector<plot::RunCurves> runs;
  for (const auto& run : settings.runs) runs.push_back(plot::load_run_curves(run));
  return runs;
}

void save(const std::string& text, const std::string& path) {
  formats::DurableFile file(path);
  file.write(text);
  file.commit();
}

void plot_runs(const Settings& settings) {
  check(settings);
  if (settings.follow) {
    return tools::serve_page(settings.port, [&](int reload_seconds) {
      return plot::draw_report(load(settings), reload_seconds);
    });
  }
  const auto runs = load(settings);
  const auto& out = settings.out;
  if (out.ends_with(".html")) save(plot::draw_report(runs), out);
  if (out.ends_with(".svg")) save(plot::draw_curves(runs), out);
  if (out == "-") cli::print(plot::draw_curves(runs));
  if (settings.json) {
    for (const auto& run : runs) cli::print(plot::summary_json(run) + '\n');
  } else if (out.empty()) {
    cli::print(plot::draw_text(runs, cli::terminal_columns(), /*rows=*/20));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  cli::Tool tool("gpt2-plot", "Draw the curves of training runs.");
  tool.reads(
      "metrics.jsonl of each run folder, or log.txt where there is none (formats/train_log.md)");
  tool.writes(
      "a picture or a page in --out; else the losses on stdout, drawn in characters, or a summary "
      "of each run with --json");
  tool.example("gpt2-plot runs/demo/run --out curves.svg");
  tool.example("gpt2-plot runs/a runs/b --out report.html");
  tool.positional("RUN...", settings.runs, "run folders");
  tool.required();
  tool.option("--out FILE", settings.out,
              "*.svg, a picture (- is stdout), or *.html, a page with tables and samples");
  tool.flag("--json", settings.json, "print points, last and best of each curve as JSON");
  tool.flag("--follow", settings.follow,
            "show the page at http://localhost:PORT, as the runs go on");
  tool.option("--port PORT", settings.port, "of --follow; 0: one that is free");
  return tool.run(argc, argv, [&] { plot_runs(settings); });
}
