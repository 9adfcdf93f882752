// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// What the Hugging Face hub says of the files that it has.
#pragma once

#include <string>
#include <vector>

#include "libcore/fetch/catalogue.h"
#include "libcore/fetch/download.h"

namespace gpt2::fetch {

/// The files of a folder, with the sizes and hashes that the hub gives, sorted by name. `endpoint`
/// is the hub or a mirror of it; the addresses are those of the hub. Throws: as fetch_text();
/// InputError for an answer that is no listing, or names files that are no plain names.
std::vector<KnownFile> list_hub_folder(const std::string& endpoint, const HubFolder& folder,
                                       const DownloadSettings& settings,
                                       const DownloadObserver& observer);

/// The address of the next page in a Link header: <URL>; rel="next". Empty: this is the last.
std::string next_page(const HttpResponse& response);

}  // namespace gpt2::fetch
