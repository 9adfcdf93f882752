// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/convert/export_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "formats/checkpoint.h"
#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/input_file.h"
#include "formats/json_text.h"
#include "formats/tokenizer_files.h"
#include "libcore/convert/export_formats.h"

namespace gpt2::convert {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRecordName = "export.json";

/// The format of that name. Throws: UsageError if it does not have the dtype that is asked for.
const ExportFormat& find_format(const ExportRequest& request) {
  const auto& all = all_export_formats();
  const auto found = std::find_if(
      all.begin(), all.end(), [&](const auto& format) { return format.name == request.format; });
  if (found == all.end()) {
    throw formats::UsageError(fmt::format("--format: '{}' is none of {}", request.format,
                                          fmt::join(export_formats(), ", ")));
  }
  const auto& dtypes = found->dtypes;
  if (std::find(dtypes.begin(), dtypes.end(), request.dtype) == dtypes.end()) {
    throw formats::UsageError(fmt::format("--format {} has no --dtype {}; choose {}",
                                          request.format, request.dtype,
                                          fmt::join(dtypes, " or ")));
  }
  return *found;
}

bool is_exported_name(std::string_view name) {
  const auto& all = all_export_formats();
  return std::any_of(all.begin(), all.end(),
                     [name](const auto& format) { return format.owns(name); });
}

/// The vocabulary that goes with the model, and where it was found.
struct Vocabulary {
  fs::path directory;
  formats::TokenizerFiles files;
};

std::optional<Vocabulary> find_vocabulary(const ExportRequest& request,
                                          const model::ModelDirectory& source) {
  const fs::path& directory = request.vocab.empty() ? source.path : request.vocab;
  if (request.vocab.empty() && !formats::has_tokenizer_files(directory)) return std::nullopt;
  return Vocabulary{directory, formats::load_tokenizer_files(directory)};
}

void check_vocabulary(const Vocabulary& vocabulary, const model::Gpt2Config& config,
                      const model::ModelDirectory& source) {
  if (vocabulary.files.vocab_size() > config.vocab_size) {
    throw formats::ContradictionError(
        fmt::format("{}: has {} tokens, but the model in {} only {}; name its own with --vocab",
                    vocabulary.directory.string(), vocabulary.files.vocab_size(),
                    source.path.string(), config.vocab_size));
  }
  const auto fingerprint = formats::tokenizer_fingerprint(vocabulary.files);
  if (source.manifest && !formats::may_match(source.manifest->tokenizer, fingerprint)) {
    throw formats::ContradictionError(
        fmt::format("{}: is not the vocabulary that {} was trained with: fingerprint {}, not {}",
                    vocabulary.directory.string(), source.path.string(),
                    formats::to_hex(fingerprint), formats::to_hex(source.manifest->tokenizer)));
  }
}

using Files = std::vector<formats::CheckpointFile>;

/// Those files of a folder whose names `wanted` is true of, sorted by name.
template <typename Wanted>
Files describe_files(const fs::path& directory, Wanted wanted) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    auto name = entry.path().filename().string();
    if (wanted(name)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  Files files;
  for (const auto& name : names) files.push_back(formats::describe_file(directory, name));
  return files;
}

/// The files of `source` that decide what the export holds, but for the vocabulary.
Files source_files(const model::ModelDirectory& source) {
  const auto& path = source.path;
  if (!fs::is_directory(path)) {
    return {formats::describe_file(path.parent_path(), path.filename().string())};
  }
  const auto decides = [](std::string_view name) {
    return name == model::kConfigName ||
           (name.starts_with("model") && name.find(".safetensors") != std::string_view::npos);
  };
  if (!source.manifest) return describe_files(path, decides);
  Files files;  // as they were verified
  for (const auto& file : source.manifest->files) {
    if (decides(file.name)) files.push_back(file);
  }
  return files;
}

std::optional<std::uint64_t> step_of(const model::ModelDirectory& source) {
  return source.manifest ? std::optional(source.manifest->step) : std::nullopt;
}

/// Text of export.json: equal for the same source, options and exported bytes.
class ExportRecord {
 public:
  ExportRecord(const ExportRequest& request, const model::ModelDirectory& source,
               const std::optional<Vocabulary>& vocabulary)
      : request_(request),
        source_files_(source_files(source)),
        step_(step_of(source)),
        tokenizer_(vocabulary ? formats::to_hex(formats::tokenizer_fingerprint(vocabulary->files))
                              : "") {}

  std::string encode_for(const fs::path& directory) const {
    formats::JsonWriter json(2);
    json.begin_object();
    json.key("format_version").value(1);
    json.key("format").value(request_.format);
    json.key("dtype").value(request_.dtype);
    json.key("most_file_bytes").value(request_.most_file_bytes);
    json.key("step");
    step_ ? json.value(*step_) : json.null();
    json.key("tokenizer");
    tokenizer_.empty() ? json.null() : json.value(tokenizer_);
    add_files(json, "source_files", source_files_);
    add_files(json, "files", describe_files(directory, is_exported_name));
    json.end_object();
    return json.text() + "\n";
  }

 private:
  static void add_files(formats::JsonWriter& json, std::string_view key, const Files& files) {
    json.key(key).begin_array();
    for (const auto& file : files) {
      json.begin_object();
      json.key("name").value(file.name);
      json.key("bytes").value(file.bytes);
      json.key("crc32c").value(file.crc32c);
      json.end_object();
    }
    json.end_array();
  }

  const ExportRequest& request_;
  Files source_files_;
  std::optional<std::uint64_t> step_;
  std::string tokenizer_;
};

/// Replacing `out` removes all that is in it, so it must be an export and nothing more.
void check_replaceable(const fs::path& out) {
  const auto refuse = [&out](std::string_view problem) {
    throw formats::ExistsError(
        fmt::format("{}: {}; name another folder for the export", out.string(), problem));
  };
  if (!fs::exists(fs::symlink_status(out))) return;
  if (!fs::is_directory(fs::symlink_status(out))) refuse("exists and is not a folder");
  if (fs::is_empty(out)) return;
  if (!fs::exists(out / kRecordName)) refuse("exists and is not an export");
  for (const auto& entry : fs::directory_iterator(out)) {
    const std::string name = entry.path().filename().string();
    if (name != kRecordName && !is_exported_name(name)) {
      refuse(fmt::format("holds {}, which is no part of an export and would be lost", name));
    }
  }
}

bool holds(const fs::path& out, const ExportRecord& record) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 20;
  return fs::exists(out / kRecordName) &&
         formats::load_file(out / kRecordName, kMostBytes) == record.encode_for(out);
}

/// Ends in a name of its own, not in "." or a slash.
fs::path name_of_destination(const fs::path& out) {
  fs::path named = out.lexically_normal();
  if (!named.has_filename()) named = named.parent_path();
  if (named.empty() || named == "." || named.filename() == "..") {
    named = fs::absolute(out).lexically_normal();
    if (!named.has_filename()) named = named.parent_path();
  }
  return named;
}

void refuse_own_source(const fs::path& out, const fs::path& source) {
  std::error_code ignored;
  if (!fs::equivalent(out, source, ignored)) return;
  throw formats::ExistsError(fmt::format(
      "{}: is what would be exported; name another folder for the export", out.string()));
}

}  // namespace

std::vector<std::string> export_formats() {
  std::vector<std::string> names;
  for (const auto& format : all_export_formats()) names.emplace_back(format.name);
  return names;
}

std::vector<std::string> export_dtypes() {
  std::vector<std::string> all;
  for (const auto& format : all_export_formats()) {
    for (const auto dtype : format.dtypes) {
      if (std::find(all.begin(), all.end(), dtype) == all.end()) all.emplace_back(dtype);
    }
  }
  return all;
}

ExportResult export_model(const ExportRequest& request) {
  const auto& format = find_format(request);
  const fs::path out = name_of_destination(request.out);
  check_replaceable(out);
  formats::MadePaths made;
  if (out.has_parent_path()) made.make_folder(out.parent_path());
  // Its lock is held while the newest checkpoint is looked for, so that of two exports to one place
  // the older never replaces the newer.
  formats::DurableDirectory directory(out);

  ExportResult result;
  const auto source = model::open_model_directory(request.source, result.notices);
  refuse_own_source(out, source.path);
  const auto config = model::load_config(source.path);
  auto vocabulary = find_vocabulary(request, source);
  if (vocabulary) check_vocabulary(*vocabulary, config, source);
  if (!vocabulary && format.needs_vocabulary) {
    throw formats::InputError(
        fmt::format("{}: has no vocabulary, which {} needs; name its folder with --vocab",
                    source.path.string(), request.format));
  }
  result.source = source.path;
  result.step = step_of(source);
  result.has_vocabulary = vocabulary.has_value();
  const ExportRecord record(request, source, vocabulary);
  if (!request.force && holds(out, record)) return result;

  const fs::path& building = directory.temporary_path();
  std::optional<formats::TokenizerFiles> tokens;
  if (vocabulary) tokens = std::move(vocabulary->files);
  format.write(building, {.config = config,
                          .table = model::ParameterTable(config),
                          .weights = model::open_weights(source, config),
                          .vocabulary = std::move(tokens),
                          .dtype = request.dtype,
                          .name = out.filename().string(),
                          .most_file_bytes = request.most_file_bytes});
  formats::DurableFile record_file(building / kRecordName);
  record_file.write(record.encode_for(building));
  record_file.commit();
  directory.commit();
  made.keep();
  result.is_new = true;
  return result;
}

}  // namespace gpt2::convert
