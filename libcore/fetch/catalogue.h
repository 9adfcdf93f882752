// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// The data sets, vocabularies and weights that are known by name: where they lie, and how their
// files are known to be right.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/fetch/content_hash.h"

namespace gpt2::fetch {

inline constexpr std::string_view kHub = "https://huggingface.co";

struct KnownFile {
  std::string name;  // in the folder of its data set
  std::string url;
  std::uint64_t bytes = 0;  // 0: not known here
  ContentHash hash;         // unknown: the hub has to say it
};

/// A folder of a repository on the hub at one revision, whose files the hub lists.
struct HubFolder {
  std::string repository;  // "datasets/OWNER/NAME", or "OWNER/NAME" of a model
  std::string revision;    // a commit
  std::string path;
};

struct DataSet {
  std::string name, about, licence;
  std::vector<KnownFile> files;  // empty: those of `folder`
  HubFolder folder;
  std::vector<std::string> members;  // to be unpacked from its only file, a zip archive
};

/// All of them, in the order in which they are shown.
const std::vector<DataSet>& catalogue();
/// nullptr: there is none of that name.
const DataSet* find_data_set(std::string_view name);

/// Where the hub has a file of a repository; `repository` as in HubFolder.
std::string hub_url(std::string_view repository, std::string_view revision, std::string_view path);

}  // namespace gpt2::fetch
