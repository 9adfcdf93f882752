// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/plot/report_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>
#include <utility>
#include <vector>

#include "libcore/plot/axis.h"
#include "libcore/plot/curves_svg.h"

namespace gpt2::plot {
namespace {

constexpr double kWideWidth = 960, kNarrowWidth = 380;  // pixels
constexpr std::string_view kNone = "&ndash;";

constexpr std::string_view kPageStyle = R"(<style>
  :root { color-scheme: light dark; }
  body { font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; margin: 0 auto;
    max-width: 980px; padding: 12px; background: #ffffff; color: #1f2937; }
  h1 { font-size: 21px; margin: 8px 0; overflow-wrap: anywhere; } h2 { font-size: 16px; margin: 24px 0 8px; }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; font-size: 14px; }
  th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid #e5e7eb; vertical-align: top; }
  td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
  th.number { white-space: normal; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f3f4f6; padding: 10px; border-radius: 6px; }
  svg { width: 100%; height: auto; display: block; }
  .narrow { display: none; }
  @media (max-width: 640px) {
    .wide { display: none; } .narrow { display: block; }
    table.runs, table.runs tbody, table.runs tr { display: block; } table.runs th { display: none; }
    table.runs td { display: flex; justify-content: space-between; padding-right: 0; }
    table.runs td[data-label]::before { content: attr(data-label); }
    table.runs td.name { margin-top: 10px; font-weight: 600; overflow-wrap: anywhere; }
  }
  input.choice { position: absolute; opacity: 0; }
  label.choice { display: inline-block; padding: 3px 12px; margin-right: 6px; border: 1px solid #9ca3af; border-radius: 14px;
    font-size: 14px; cursor: pointer; }
  .by { display: none; padding-top: 14px; }
  @media (prefers-color-scheme: dark) {
    body { background: #14171c; color: #e5e7eb; } th, td { border-color: #2a2f38; } pre { background: #20252d; }
  }
)";

std::string loss_text(const Curve& curve, const Point& (Curve::*which)() const) {
  if (curve.empty()) return std::string(kNone);
  const Point& point = (curve.*which)();
  return fmt::format("{:.4f} at {}", point.value, grouped(point.step));
}

/// 47 s, 12 min, 3.4 h, 2.1 days.
std::string duration_text(double seconds) {
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f} min", seconds / 60);
  if (seconds < 2 * 86400) return fmt::format("{:.1f} h", seconds / 3600);
  return fmt::format("{:.1f} days", seconds / 86400);
}

double median_of(const Curve& curve) {
  std::vector<double> values;
  for (const auto& point : curve.points) values.push_back(point.value);
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  return *middle;
}

std::string steps_text(const RunCurves& run) {
  const auto& loss = run.training_loss.empty() ? run.validation_loss : run.training_loss;
  const auto done = grouped(loss.last().step);
  const auto planned = run.settings.find("max-steps");
  if (planned == run.settings.end()) return done;
  return done + " of " + grouped(std::strtod(planned->second.c_str(), nullptr));
}

/// One run a line; on a narrow screen a block a run, with the columns' names in front.
std::string runs_table(std::span<const RunCurves> runs) {
  struct Cell {
    std::string_view label;
    std::string text;
  };
  const auto cells_of = [](const RunCurves& run) {
    const auto unless_empty = [](const Curve& curve, auto text) {
      return curve.empty() ? std::string(kNone) : text(curve);
    };
    const auto last = [](const Curve& curve) { return grouped(curve.last().value); };
    const auto time = [](const Curve& curve) { return duration_text(curve.last().value); };
    const auto median = [](const Curve& curve) { return grouped(median_of(curve)); };
    return std::vector<Cell>{
        {"steps", steps_text(run)},
        {"tokens", unless_empty(run.tokens, last)},
        {"training loss, last", loss_text(run.training_loss, &Curve::last)},
        {"validation loss, best", loss_text(run.validation_loss, &Curve::lowest)},
        {"HellaSwag, best", loss_text(run.accuracy, &Curve::highest)},
        {"tokens/s, median", unless_empty(run.tokens_per_second, median)},
        {"time of steps", unless_empty(run.seconds, time)}};
  };
  std::string html = "<div class=\"scroll\"><table class=\"runs\">\n<tr><th>run</th>";
  for (const auto& cell : cells_of(runs.front())) {
    html += fmt::format("<th class=\"number\">{}</th>", cell.label);
  }
  html += "</tr>\n";
  for (const auto& run : runs) {
    html += fmt::format("<tr><td class=\"name\">{}</td>", escaped(run.name));
    for (const auto& [label, text] : cells_of(run)) {
      html += fmt::format("<td class=\"number\" data-label=\"{}\">{}</td>", label, text);
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string chart_html(const Chart& chart, const std::string& id) {
  std::string html;
  for (const auto& [name, width] : {std::pair{"wide", kWideWidth}, {"narrow", kNarrowWidth}}) {
    html +=
        fmt::format("<svg class=\"{}\" viewBox=\"0 0 {} {:.0f}\" role=\"img\" aria-label=\"{}\">\n",
                    name, width, chart_height(chart, width), escaped(chart.heading));
    html += draw_chart(chart, width, 4, id + name) + "</svg>\n";
  }
  return html;
}

struct Choice {
  Progress progress;
  std::string_view name, label;
};
constexpr std::array<Choice, 3> kChoices{{{Progress::kSteps, "steps", "steps"},
                                          {Progress::kTokens, "tokens", "tokens"},
                                          {Progress::kTime, "time", "time"}}};

/// All charts over each measure that the runs have; buttons choose one without a script.
std::string charts_html(std::span<const RunCurves> runs) {
  std::string buttons, rules, charts;
  for (const auto& [progress, name, label] : kChoices) {
    const auto made = make_charts(runs, progress);
    if (made.empty()) continue;
    const bool first = buttons.empty();
    buttons += fmt::format(
        "<input class=\"choice\" type=\"radio\" name=\"by\" id=\"by-{0}\"{1}>"
        "<label class=\"choice\" for=\"by-{0}\">{2}</label>\n",
        name, first ? " checked" : "", label);
    rules += fmt::format(
        "  #by-{0}:checked ~ .by-{0} {{ display: block; }}\n"
        "  #by-{0}:checked + label, #by-{0}:focus-visible + label {{ background: #2563eb; color: "
        "#ffffff; }}\n",
        name);
    charts += fmt::format("<div class=\"by by-{}\">\n", name);
    for (std::size_t i = 0; i < made.size(); ++i) {
      charts += chart_html(made[i], fmt::format("{}{}", name, i));
    }
    charts += "</div>\n";
  }
  return fmt::format("<style>\n{}</style>\n<div>\n{}{}</div>\n", rules, buttons, charts);
}

/// The settings in which the runs differ; all of them, folded away, of a single run.
std::string settings_html(std::span<const RunCurves> runs) {
  std::set<std::string> names;
  for (const auto& run : runs) {
    for (const auto& [name, value] : run.settings) names.insert(name);
  }
  const auto value_of = [](const RunCurves& run, const std::string& name) {
    const auto found = run.settings.find(name);
    return found == run.settings.end() ? std::string() : found->second;
  };
  std::string rows;
  for (const auto& name : names) {
    const auto first = value_of(runs.front(), name);
    const bool differs = std::ranges::any_of(
        runs, [&](const RunCurves& run) { return value_of(run, name) != first; });
    if (runs.size() > 1 && !differs) continue;
    rows += fmt::format("<tr><td>{}</td>", escaped(name));
    for (const auto& run : runs) rows += fmt::format("<td>{}</td>", escaped(value_of(run, name)));
    rows += "</tr>\n";
  }
  if (rows.empty()) return {};
  if (runs.size() == 1) {
    return "<details><summary>Settings</summary><div class=\"scroll\"><table>\n" + rows +
           "</table></div></details>\n";
  }
  std::string head = "<h2>Settings that differ</h2>\n<div class=\"scroll\"><table>\n<tr><th></th>";
  for (const auto& run : runs) head += fmt::format("<th>{}</th>", escaped(run.name));
  return head + "</tr>\n" + rows + "</table></div>\n";
}

std::string samples_html(std::span<const RunCurves> runs) {
  constexpr std::size_t kMostSamples = 5;
  std::string html;
  for (const auto& run : runs) {
    const auto& samples = run.samples;
    const std::size_t count = std::min(samples.size(), kMostSamples);
    for (std::size_t i = 0; i < count; ++i) {
      const auto& sample = samples[samples.size() - 1 - i];
      html += fmt::format("<details{}><summary>{}step {}</summary><pre>{}</pre></details>\n",
                          i == 0 ? " open" : "",
                          runs.size() > 1 ? escaped(run.name) + ", " : std::string(),
                          grouped(static_cast<double>(sample.step)), escaped(sample.text));
    }
  }
  return html.empty() ? html : "<h2>Samples</h2>\n" + html;
}

}  // namespace

std::string draw_report(std::span<const RunCurves> runs, int reload_seconds) {
  const auto title = runs.size() == 1 ? shortened(runs.front().name)
                                      : fmt::format("{} training runs", runs.size());
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  if (reload_seconds > 0) {
    html += fmt::format("<meta http-equiv=\"refresh\" content=\"{}\">\n", reload_seconds);
  }
  html += fmt::format("<title>{}</title>\n", escaped(title));
  html += kPageStyle;
  html += "</style>\n" + chart_style() + "</head>\n<body>\n";
  html += fmt::format("<h1>{}</h1>\n", escaped(title));
  html += runs_table(runs) + "<h2>Curves</h2>\n" + charts_html(runs) + settings_html(runs) +
          samples_html(runs);
  return html + "</body>\n</html>\n";
}

}  // namespace gpt2::plot
