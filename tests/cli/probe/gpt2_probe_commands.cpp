// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-probe-commands: has commands, fails in every way, and writes to stdout as much as it is
// told.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "formats/errors.h"
#include "tools/cli/tool.h"

namespace {

using namespace gpt2;

void fail(const std::string& kind) {
  if (kind == "usage") throw formats::UsageError("a usage error");
  if (kind == "input") throw formats::InputError("an input error");
  if (kind == "format") throw formats::FormatError("a.bin", 8, "version", "is 2");
  if (kind == "unavailable") throw formats::UnavailableError("no such device");
  if (kind == "exists") throw formats::ExistsError("it exists");
  if (kind == "io") throw formats::IoError("an I/O error");
  if (kind == "stopped") throw formats::StoppedError("stopped");
  if (kind == "diverged") throw formats::DivergedError("diverged");
  if (kind == "contradiction") throw formats::ContradictionError("a contradiction");
  if (kind == "filesystem") std::filesystem::create_directory("missing/folder");
  if (kind == "memory") throw std::bad_alloc();
  if (kind == "other") throw std::out_of_range("out of range");
  if (kind == "unknown") throw 1;
  if (kind == "lines") throw formats::InputError("two\nlines and \x1b[31mcolour");
}

void write(std::uint64_t line_count) {
  for (std::uint64_t line = 0; line < line_count; ++line) std::cout << "a line of some length\n";
}

void progress(std::uint64_t total) {
  cli::ProgressLine line("Reading", "tokens", total);
  for (std::uint64_t done = 0; done <= total; done += 250'000) {
    line.update(done, "loss 3.21");
    if (done == total / 2) cli::notice("half of it");
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string vocab, kind;
  std::vector<std::string> files;
  std::uint64_t line_count = 1, total = 3'000'000;

  cli::Tool tool("gpt2-probe-commands", "Several commands in one tool.");
  tool.option("--vocab DIR", vocab, "an option of every command");
  auto& show = tool.command(
      "show", "Print the names of the files.",
      [&] {
        for (const auto& file : files) std::cout << "file " << file << "\n";
        if (cli::verbosity() > 0) cli::notice("vocab " + vocab);
      },
      true);
  show.example("gpt2-probe-commands a.txt");
  show.positional("FILE...", files, "what to name");
  auto& failing = tool.command("fail", "Fail.", [&] { fail(kind); });
  failing.example("gpt2-probe-commands fail --kind usage");
  failing.option("--kind KIND", kind, "the error");
  failing.required();
  auto& writing = tool.command("write", "Write lines.", [&] { write(line_count); });
  writing.option("--line-count N", line_count, "lines to write");
  auto& drawing = tool.command("progress", "Draw a progress line.", [&] { progress(total); });
  drawing.option("--total N", total, "what is to be done");
  return tool.run(argc, argv);
}
