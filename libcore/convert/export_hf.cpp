// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/convert/export_hf.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/durable_file.h"
#include "formats/errors.h"
#include "formats/input_file.h"
#include "formats/json_text.h"
#include "formats/tokenizer_files.h"
#include "libcore/device/device.h"
#include "libcore/kernels/kernels.h"
#include "libcore/model/gpt2.h"

namespace gpt2::convert {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRecordName = "export.json";
/// What an export consists of besides its record, sorted.
constexpr std::array<std::string_view, 7> kExportedNames{
    "config.json",    "generation_config.json", "merges.txt", "model.safetensors",
    "tokenizer.json", "tokenizer_config.json",  "vocab.json"};

std::string_view name_of(model::WeightType type) {
  switch (type) {
    case model::WeightType::kBF16:
      return "bf16";
    case model::WeightType::kF16:
      return "f16";
    case model::WeightType::kF32:
      break;
  }
  return "f32";
}

/// The vocabulary that goes with the model, and where it was found.
struct Vocabulary {
  fs::path directory;
  formats::TokenizerFiles files;
};

std::optional<Vocabulary> find_vocabulary(const HfExport& request,
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

/// The files of `source` that decide what the export holds, but for the vocabulary.
std::vector<std::string> model_file_names(const fs::path& source) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(source)) {
    const std::string name = entry.path().filename().string();
    if (name == "config.json" || name == "model.safetensors.index.json" ||
        (name.starts_with("model") && name.ends_with(".safetensors"))) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> exported_names(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto name : kExportedNames) {
    if (fs::exists(directory / name)) names.emplace_back(name);
  }
  return names;
}

std::optional<std::uint64_t> step_of(const model::ModelDirectory& source) {
  return source.manifest ? std::optional(source.manifest->step) : std::nullopt;
}

/// Text of export.json: equal for the same source, options and exported bytes.
class ExportRecord {
 public:
  ExportRecord(const HfExport& request, const model::ModelDirectory& source,
               const std::optional<Vocabulary>& vocabulary)
      : source_files_(describe(source.path, model_file_names(source.path))),
        dtype_(name_of(request.type)),
        step_(step_of(source)),
        tokenizer_(vocabulary ? formats::to_hex(formats::tokenizer_fingerprint(vocabulary->files))
                              : "") {}

  std::string encode_for(const fs::path& directory) const {
    formats::JsonWriter json(2);
    json.begin_object();
    json.key("format_version").value(1);
    json.key("format").value("hf");
    json.key("dtype").value(dtype_);
    json.key("step");
    step_ ? json.value(*step_) : json.null();
    json.key("tokenizer");
    tokenizer_.empty() ? json.null() : json.value(tokenizer_);
    add_files(json, "source_files", source_files_);
    add_files(json, "files", describe(directory, exported_names(directory)));
    json.end_object();
    return json.text() + "\n";
  }

 private:
  using Files = std::vector<formats::CheckpointFile>;
  static Files describe(const fs::path& directory, const std::vector<std::string>& names) {
    Files files;
    for (const auto& name : names) files.push_back(formats::describe_file(directory, name));
    return files;
  }
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

  Files source_files_;
  std::string_view dtype_;
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
    if (name != kRecordName &&
        std::find(kExportedNames.begin(), kExportedNames.end(), name) == kExportedNames.end()) {
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

HfExportResult export_hf(const HfExport& request) {
  HfExportResult result;
  const auto source = model::open_model_directory(request.source, result.notices);
  const auto config = model::load_config(source.path);
  const auto vocabulary = find_vocabulary(request, source);
  if (vocabulary) check_vocabulary(*vocabulary, config, source);
  result.source = source.path;
  result.step = step_of(source);
  result.has_vocabulary = vocabulary.has_value();

  const fs::path out = name_of_destination(request.out);
  refuse_own_source(out, source.path);
  check_replaceable(out);
  const ExportRecord record(request, source, vocabulary);
  if (!request.force && holds(out, record)) return result;

  const auto device = device::open_device("cpu", 0);
  const auto kernels = kernels::open_kernels(*device);
  model::Gpt2 model(*device, *kernels, config);
  model::load_weights(source, model);
  formats::MadePaths made;
  if (out.has_parent_path()) made.make_folder(out.parent_path());
  formats::DurableDirectory directory(out);
  const fs::path& building = directory.temporary_path();
  model::save_model(building, model, request.type);
  if (vocabulary) {
    formats::save_tokenizer_files(building, vocabulary->files,
                                  static_cast<std::uint64_t>(config.context));
  }
  formats::DurableFile record_file(building / kRecordName);
  record_file.write(record.encode_for(building));
  record_file.commit();
  directory.commit();
  made.keep();
  result.is_new = true;
  return result;
}

}  // namespace gpt2::convert
