// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// gpt2-fetch: data sets, vocabularies and weights by name, and any file by its address.
#include <fmt/format.h>

#include <algorithm>

#include "formats/errors.h"
#include "formats/input_file.h"
#include "libcore/fetch/fetch_set.h"
#include "tools/cli/tool.h"
#include "tools/gpt2-fetch/catalogue_table.h"
#include "tools/gpt2-fetch/hub_account.h"

namespace gpt2 {
namespace {

using formats::UsageError;

struct FetchOptions {
  std::vector<std::string> wanted;
  std::string out_dir = ".", out, sha256, ca_file;
  bool list = false, json = false;
  fetch::FetchSettings settings;
};

bool is_address(const std::string& word) { return word.find("://") != std::string::npos; }

std::vector<const fetch::DataSet*> find_sets(const std::vector<std::string>& names) {
  std::vector<const fetch::DataSet*> sets;
  std::vector<std::string> known;
  for (const auto& set : fetch::catalogue()) known.push_back(set.name);
  for (const auto& name : names) {
    sets.push_back(fetch::find_data_set(name));
    if (sets.back() != nullptr) continue;
    const auto nearest = cli::nearest_name(name, known);
    throw UsageError(fmt::format(
        "there is no data set '{}'; {}", name,
        nearest.empty() ? "--list shows what there is" : fmt::format("did you mean {}?", nearest)));
  }
  return sets;
}

/// The hash of --sha256; unknown without it.
fetch::ContentHash given_hash(const std::string& hex) {
  const auto hash = fetch::content_hash_from_hex(hex);
  if (!hex.empty() && hash.kind != fetch::ContentHash::Kind::kSha256) {
    throw UsageError(fmt::format("--sha256 takes 64 hexadecimal digits, not '{}'", hex));
  }
  return hash;
}

void fetch_wanted(const FetchOptions& options, const fetch::FetchObserver& observer) {
  const auto& [wanted, out_dir, out, sha256, ca_file, list, json, settings] = options;
  const auto hash = given_hash(sha256);
  if (wanted.size() == 1 && is_address(wanted.front())) {
    const auto& url = wanted.front();
    const auto path =
        !out.empty() ? std::filesystem::path(out)
                     : std::filesystem::path(out_dir) / fetch::file_name_of(fetch::parse_url(url));
    return fetch::fetch_url(url, path, hash, settings, observer);
  }
  if (hash.is_known() || !out.empty()) {
    throw UsageError("--sha256 and --out go with a single address, not with names");
  }
  if (std::ranges::any_of(wanted, is_address)) {
    throw UsageError("an address goes alone: one URL, or any number of names");
  }
  fetch::fetch_sets(find_sets(wanted), out_dir, settings, observer);
}

void run(FetchOptions& options) {
  if (options.list) {
    cli::print(options.json ? tools::catalogue_json() : tools::catalogue_table());
    return;
  }
  if (options.json) throw UsageError("--json goes with --list");
  if (options.wanted.empty()) {
    throw UsageError("NAME or URL must be given; --list shows the names");
  }
  auto& settings = options.settings;
  if (!options.ca_file.empty()) formats::InputFile{options.ca_file};
  if (const auto endpoint = tools::hub_endpoint(); !endpoint.empty()) settings.hub = endpoint;
  settings.download.http.token = tools::hub_token();
  settings.download.http.ca_file =
      options.ca_file.empty() ? tools::authority_file() : options.ca_file;

  cli::ProgressLine line("fetching", "B", 0);
  fetch_wanted(options, {.progress =
                             [&line](const fetch::FetchProgress& progress) {
                               line.set_total(progress.total);
                               line.update(
                                   progress.bytes,
                                   fmt::format("{}/{} files", progress.files, progress.file_count));
                             },
                         .notice = [](const std::string& text) { cli::notice(text); },
                         .detail =
                             [](const std::string& text) {
                               if (cli::verbosity() > 0) cli::notice(text);
                             }});
}

}  // namespace
}  // namespace gpt2

int main(int argc, char** argv) {
  gpt2::FetchOptions options;
  auto& settings = options.settings;
  gpt2::cli::Tool tool("gpt2-fetch", "Fetch data sets, vocabularies, weights, or any file.");
  tool.reads("the network; HF_TOKEN, HF_ENDPOINT and the proxy variables from the environment");
  tool.writes(
      "a folder for each NAME in --out-dir; a file is there whole and right, or not at all");
  tool.positional("NAME|URL...", options.wanted, "what --list shows, or the address of one file");
  tool.option("--out-dir DIR", options.out_dir, "folder for the folders; made if missing");
  tool.option("--out FILE", options.out, "the file that a URL becomes");
  tool.option("--sha256 HEX", options.sha256, "what the file of a URL must have");
  tool.option("--include GLOB", settings.include, "only files of these names, out of many");
  tool.option("--jobs N", settings.jobs, "files at once");
  tool.at_least(1);
  tool.option("--tries N", settings.download.retry.tries, "failures in a row that are put up with");
  tool.at_least(1);
  tool.option("--base-url URL", settings.base_url,
              "server that has what was fetched before, in its folders; used for every NAME");
  tool.option("--ca-file FILE", options.ca_file,
              "certificates to trust (PEM) instead of the system's");
  tool.flag("--force", settings.replace, "replace files that are there and differ");
  tool.flag("--list", options.list, "show what there is, and fetch nothing");
  tool.flag("--json", options.json, "--list as one JSON object a line");
  tool.example("gpt2-fetch gpt2-vocab tinyshakespeare --out-dir data");
  tool.example("gpt2-fetch fineweb-10B-gpt2 --include '*_val_*' '*_train_00000*'");
  tool.example("gpt2-fetch https://example.org/a.jsonl --sha256 HEX --out a.jsonl");
  return tool.run(argc, argv, [&options] { gpt2::run(options); });
}
