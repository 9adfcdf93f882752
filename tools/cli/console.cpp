// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tools/cli/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "formats/errors.h"
#include "tools/cli/tool.h"

namespace gpt2::cli {
namespace {

/// What stands in the terminal's last line, so that a message can take its place.
struct Drawn {
  std::mutex mutex;  // the trainer's saving thread may give notice, too
  std::size_t columns = 0;
};
Drawn& drawn() {
  static Drawn the_line;
  return the_line;
}

/// Replaces what is drawn by `line`, without a newline; blanks instead of escape codes, which a
/// dumb terminal would show. The caller holds the mutex.
void draw(std::string_view line) {
  auto& columns = drawn().columns;
  std::string text = fmt::format("\r{:<{}}", line, columns);
  if (line.empty()) text += '\r';
  std::fwrite(text.data(), 1, text.size(), stderr);
  columns = line.size();
}

/// Text for a terminal: a name or a value out of a file can neither steer it nor fill it.
std::string make_visible(std::string_view text) {
  constexpr std::size_t kMostBytes = 4096;
  std::string visible;
  for (std::size_t i = 0; i < std::min(text.size(), kMostBytes); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    if (byte == 0xC2 && next >= 0x80 && next < 0xA0) {  // U+0080 to U+009F are controls, too
      visible += '?';
      ++i;
    } else {
      visible += byte == '\n' ? ' ' : byte < 0x20 || byte == 0x7F ? '?' : text[i];
    }
  }
  return text.size() > kMostBytes ? visible + " ..." : visible;
}

/// Source: https://no-color.org
bool style_wanted() {
  const auto is_set = [](const char* value) { return value != nullptr && *value != '\0'; };
  const char* terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && !is_set(std::getenv("NO_COLOR")) && is_set(terminal) &&
         std::string_view(terminal) != "dumb";
}

void say(std::string_view text, bool stands_out = false) {
  const bool bold = stands_out && style_wanted();
  const std::string line = fmt::format("{}: {}{}{}\n", console().tool_name, bold ? "\x1B[1m" : "",
                                       make_visible(text), bold ? "\x1B[0m" : "");
  const std::lock_guard lock(drawn().mutex);
  if (drawn().columns > 0) draw("");
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

Console& console() {
  static Console the_console;
  return the_console;
}

void complain(std::string_view text) { say(text); }

int verbosity() { return console().verbosity; }

void notice(std::string_view text) {
  if (console().verbosity >= 0) say(text);
}

void event(std::string_view text) {
  if (console().verbosity >= 0) say(text, /*stands_out=*/true);
}

bool progress_wanted() {
  const auto& [name, words, progress] = console();
  if (progress == "auto") return words >= 0 && isatty(STDERR_FILENO) != 0;
  return progress == "on";
}

int terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

std::string clock_text(double seconds) {
  constexpr double kMostSeconds = 3600.0 * 9999;
  const auto whole = static_cast<std::uint64_t>(std::clamp(seconds, 0.0, kMostSeconds));
  const auto hours = whole / 3600, minutes = whole / 60 % 60, rest = whole % 60;
  return hours > 0 ? fmt::format("{}:{:02}:{:02}", hours, minutes, rest)
                   : fmt::format("{}:{:02}", minutes, rest);
}

std::string short_number(double value) {
  const char* units[] = {"", "K", "M", "G", "T", "P"};
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  const int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}", value, decimals, units[unit]);
}

void refuse_binary_to_terminal(int descriptor, std::string_view what) {
  if (isatty(descriptor) != 0) {
    throw formats::UsageError(fmt::format(
        "{} is binary and would go to the terminal; send it to a file or a pipe", what));
  }
}

namespace {

void draw_line(std::string line) {
  // The last column stays free: some terminals wrap when it is written.
  line.resize(std::min(line.size(), static_cast<std::size_t>(terminal_columns() - 1)));
  const std::lock_guard lock(drawn().mutex);
  draw(line);
}

}  // namespace

struct ProgressLine::State {
  using Clock = std::chrono::steady_clock;
  std::string label, unit;
  std::uint64_t total;
  bool wanted;
  Clock::time_point begin, last_drawn;
};

ProgressLine::ProgressLine(std::string label, std::string unit, std::uint64_t total) {
  const auto now = State::Clock::now();
  state_ = std::make_unique<State>(
      State{std::move(label), std::move(unit), total, progress_wanted(), now, now});
}

ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::set_total(std::uint64_t total) { state_->total = total; }

bool ProgressLine::is_due() {
  if (!state_->wanted) return false;
  const auto now = State::Clock::now();
  if (now - state_->last_drawn < std::chrono::milliseconds(100)) return false;
  state_->last_drawn = now;
  return true;
}

void ProgressLine::update(std::uint64_t done, std::string_view extra) {
  if (!is_due()) return;
  const auto& [label, unit, total, wanted, begin, last_drawn] = *state_;
  const double seconds = std::chrono::duration<double>(last_drawn - begin).count();
  const double rate = static_cast<double>(done) / seconds;
  std::string line = label;
  if (total > 0) {
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    line += fmt::format("  {:3.0f}%", std::floor(100 * share));
  }
  line += fmt::format("  {} {}  {} {}/s", short_number(static_cast<double>(done)), unit,
                      short_number(rate), unit);
  if (total > done && done > 0) {
    line += fmt::format("  {} left", clock_text(static_cast<double>(total - done) / rate));
  }
  if (!extra.empty()) line += fmt::format("  {}", extra);
  draw_line(std::move(line));
}

void ProgressLine::show(std::string line) {
  if (is_due()) draw_line(std::move(line));
}

void ProgressLine::clear() {
  const std::lock_guard lock(drawn().mutex);
  if (drawn().columns > 0) draw("");
}

}  // namespace gpt2::cli
