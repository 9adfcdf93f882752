// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/hub.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/errors.h"
#include "formats/json_reading.h"

namespace gpt2::fetch {
namespace {

constexpr std::size_t kMostPageBytes = 16 << 20;
constexpr int kMostPages = 1000;

KnownFile known_file(const formats::JsonObject& entry, const HubFolder& folder) {
  const std::string path(entry.text("path"));
  KnownFile file{.name = path.substr(path.rfind('/') + 1),
                 .url = hub_url(folder.repository, folder.revision, path),
                 .bytes = entry.whole_number("size"),
                 .hash = content_hash_from_hex(entry.text("oid"))};
  if (entry.find("lfs")) file.hash = content_hash_from_hex(entry.object("lfs").text("oid"));
  if (!is_plain_file_name(file.name) || path != folder.path + "/" + file.name) {
    entry.refuse("path", fmt::format("'{}' is not the name of a file in {}", path, folder.path));
  }
  return file;
}

}  // namespace

std::string next_page(const HttpResponse& response) {
  const auto link = response.header("link").value_or("");
  const auto end = link.find(">; rel=\"next\"");
  if (end == std::string::npos) return {};
  const auto begin = link.rfind('<', end);
  return begin == std::string::npos ? "" : link.substr(begin + 1, end - begin - 1);
}

std::vector<KnownFile> list_hub_folder(const std::string& endpoint, const HubFolder& folder,
                                       const DownloadSettings& settings,
                                       const DownloadObserver& observer) {
  const bool is_data_set = folder.repository.starts_with("datasets/");
  auto url =
      parse_url(join_url(endpoint, fmt::format("api/{}{}/tree/{}/{}", is_data_set ? "" : "models/",
                                               folder.repository, folder.revision, folder.path)));
  std::vector<KnownFile> files;
  for (int page = 0;; ++page) {
    if (page == kMostPages) {
      throw formats::InputError(fmt::format("{}: has more than {} pages", url.shown(), page));
    }
    const auto [text, response] = fetch_text(url, kMostPageBytes, settings, observer);
    // The outermost value is an array, which JsonDocument does not take.
    const formats::JsonDocument document("{\"files\": " + text + "}", url.shown());
    for (const auto& entry : document.root().objects("files")) {
      if (entry.text("type") == "file") files.push_back(known_file(entry, folder));
    }
    const auto next = next_page(response);
    if (next.empty()) break;
    url = follow_url(response.url, next);
  }
  std::sort(files.begin(), files.end(),
            [](const KnownFile& a, const KnownFile& b) { return a.name < b.name; });
  return files;
}

}  // namespace gpt2::fetch
