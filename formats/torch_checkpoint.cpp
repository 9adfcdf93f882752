// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/torch_checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <numeric>
#include <utility>

#include "formats/errors.h"

namespace gpt2::formats {
namespace {

namespace fs = std::filesystem;

/// A pickle of the largest GPT-2 with its optimizer has about one.
constexpr std::uint64_t kMostPickleBytes = 16 << 20;
/// No sum or product of these overflows 64 bits.
constexpr std::int64_t kMostElements = std::int64_t{1} << 40;
constexpr std::size_t kMostAxes = 8;

constexpr std::array<char, 4> kArchive{'P', 'K', 3, 4};
/// The pickle of a long, the magic number of files before PyTorch 1.6.
constexpr std::array<char, 4> kLegacy{'\x80', '\x02', '\x8a', '\x0a'};

std::array<char, 4> first_bytes(const fs::path& path) {
  std::array<char, 4> bytes{};
  std::error_code unknown;
  if (!fs::is_regular_file(path, unknown)) return bytes;  // a pipe would block
  std::ifstream(path, std::ios::binary).read(bytes.data(), bytes.size());
  return bytes;
}

ZipArchive open_archive(const fs::path& path) {
  if (first_bytes(path) == kLegacy) {
    throw InputError(fmt::format(
        "{}: was saved by PyTorch before 1.6; load and save it with a newer one", path.string()));
  }
  return ZipArchive(path);
}

/// A text record, of at most `most_bytes`.
std::string read_record(const ZipArchive& archive, const std::string& name,
                        std::uint64_t most_bytes) {
  const auto member = archive.member(name);
  if (member.bytes > most_bytes || member.is_packed) {
    throw InputError(fmt::format(
        "{}: {}: {}", archive.path().string(), name,
        member.is_packed
            ? "is packed; PyTorch stores its records as they are"
            : fmt::format("has {} bytes, expected at most {}", member.bytes, most_bytes)));
  }
  std::string bytes;
  archive.read(name, [&bytes](std::string_view piece) { bytes += piece; });
  return bytes;
}

std::optional<FloatType> float_type(std::string_view storage_type) {
  if (storage_type == "FloatStorage") return FloatType::kF32;
  if (storage_type == "BFloat16Storage") return FloatType::kBF16;
  if (storage_type == "HalfStorage") return FloatType::kF16;
  return {};
}

}  // namespace

std::uint64_t TorchTensor::element_count() const {
  return std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, [](auto product, auto size) {
    return product * static_cast<std::uint64_t>(size);
  });
}

bool begins_as_torch_checkpoint(const fs::path& path) {
  const auto bytes = first_bytes(path);
  return bytes == kArchive || bytes == kLegacy;
}

TorchCheckpoint::TorchCheckpoint(const fs::path& path) : archive_(open_archive(path)) {
  constexpr std::string_view kPickleName = "/data.pkl";
  for (const auto& name : archive_.names()) {
    if (name.ends_with(kPickleName)) folder_ = name.substr(0, name.size() - kPickleName.size() + 1);
  }
  if (folder_.empty()) {
    throw InputError(fmt::format(
        "{}: is an archive without data.pkl, so torch.save did not write it", path.string()));
  }
  const auto order = folder_ + "byteorder";
  if (archive_.contains(order) && read_record(archive_, order, 16) != "little") {
    throw InputError(
        fmt::format("{}: holds big-endian numbers, which are not read", path.string()));
  }
  const auto program = read_record(archive_, folder_ + "data.pkl", kMostPickleBytes);
  pickle_.emplace(std::span(reinterpret_cast<const std::uint8_t*>(program.data()), program.size()),
                  fmt::format("{}: {}data.pkl", path.string(), folder_));
  const auto& root = pickle_->root();
  const PickleValue* state = &root;
  for (const auto* key : {"model", "state_dict"}) {
    const auto* found = pickle_->find(root, key);
    if (found != nullptr && found->kind == PickleKind::kDict) {
      state = found;
      break;
    }
  }
  find_tensors(*state);
  if (tensors_.empty()) {
    throw InputError(fmt::format("{}: holds no state dict, by itself or as 'model' or 'state_dict'",
                                 path.string()));
  }
}

void TorchCheckpoint::refuse(std::string_view name, std::string_view problem) const {
  throw FormatError(fmt::format("{}: tensor {} {}", path().string(), name, problem));
}

void TorchCheckpoint::find_tensors(const PickleValue& state) {
  if (state.kind != PickleKind::kDict) return;
  for (std::size_t i = 0; i + 1 < state.items.size(); i += 2) {
    const auto& key = *pickle_->item(state, i);
    if (key.kind == PickleKind::kText) add_tensor(key.text, *pickle_->item(state, i + 1));
  }
}

/// Values that are no tensors are passed over.
void TorchCheckpoint::add_tensor(const std::string& name, const PickleValue& value) {
  if (const auto* parameter = pickle_->arguments(value, "torch._utils._rebuild_parameter")) {
    const auto* data = pickle_->item(*parameter, 0);
    if (data == nullptr || data->kind == PickleKind::kNone) refuse(name, "has no values");
    if (pickle_->arguments(*data, "torch._utils._rebuild_tensor_v2") != nullptr)
      add_tensor(name, *data);
    return;
  }
  const auto* tensor = pickle_->arguments(value, "torch._utils._rebuild_tensor_v2");
  if (tensor == nullptr) return;

  const auto part = [&](const PickleValue& whole, std::size_t place,
                        PickleKind kind) -> const PickleValue& {
    const auto* found = pickle_->item(whole, place);
    if (found == nullptr || found->kind != kind)
      refuse(name, "is not stored as PyTorch stores one");
    return *found;
  };
  const auto count = [&](const PickleValue& whole, std::size_t place) {
    const auto size = part(whole, place, PickleKind::kInteger).integer;
    if (size < 0 || size > kMostElements) refuse(name, fmt::format("has a size of {}", size));
    return size;
  };
  // (storage, first element, shape, strides, ...); the storage: ('storage', type, key, place,
  // size).
  const auto& storage = part(part(*tensor, 0, PickleKind::kPersistent), 0, PickleKind::kSequence);
  const auto& type = part(storage, 1, PickleKind::kName).text;
  TorchTensor entry{.name = name,
                    .shape = {},
                    .storage_type = type.substr(type.rfind('.') + 1),
                    .record = folder_ + "data/" + part(storage, 2, PickleKind::kText).text,
                    .first_element = static_cast<std::uint64_t>(count(*tensor, 1)),
                    .record_elements = static_cast<std::uint64_t>(count(storage, 4))};
  const auto& shape = part(*tensor, 2, PickleKind::kSequence);
  const auto& strides = part(*tensor, 3, PickleKind::kSequence);
  if (shape.items.size() != strides.items.size() || shape.items.size() > kMostAxes) {
    refuse(name, "has strides that are not those of its shape");
  }
  std::int64_t elements = 1;
  for (std::size_t axis = 0; axis < shape.items.size(); ++axis) {
    entry.shape.push_back(count(shape, axis));
    if (entry.shape.back() > 0 && elements > kMostElements / entry.shape.back()) {
      refuse(name, "has more elements than any file");
    }
    elements *= entry.shape.back();
  }
  std::int64_t stride = 1;
  for (std::size_t axis = shape.items.size(); axis-- > 0 && elements > 0;) {
    if (entry.shape[axis] > 1 && count(strides, axis) != stride) {
      refuse(name, "is a view whose elements do not lie one after the other; save it contiguous");
    }
    stride *= entry.shape[axis];
  }
  if (entry.first_element + entry.element_count() > entry.record_elements) {
    refuse(name,
           fmt::format("has shape [{}] from element {} on; its storage has {} elements",
                       fmt::join(entry.shape, ", "), entry.first_element, entry.record_elements));
  }
  tensors_.push_back(std::move(entry));
}

std::optional<std::int64_t> TorchCheckpoint::setting(std::string_view name) const {
  for (const auto* key : {"model_args", "config"}) {
    const auto* settings = pickle_->find(pickle_->root(), key);
    if (settings == nullptr) continue;
    if (const auto* attributes = pickle_->attributes(*settings)) settings = attributes;
    const auto* value = pickle_->find(*settings, name);
    if (value == nullptr) continue;
    if (value->kind == PickleKind::kInteger || value->kind == PickleKind::kTruth) {
      return value->integer;
    }
  }
  return {};
}

std::vector<float> TorchCheckpoint::read_as_floats(const TorchTensor& tensor) const {
  const auto type = float_type(tensor.storage_type);
  if (!type) {
    refuse(tensor.name,
           fmt::format("is of {}; FloatStorage, HalfStorage and BFloat16Storage are read",
                       tensor.storage_type));
  }
  const auto width = formats::stored_bytes(*type);
  const auto member = archive_.member(tensor.record);
  if (member.is_packed || member.bytes != width * tensor.record_elements) {
    refuse(tensor.name,
           fmt::format("has a storage of {} elements, {} bytes; its record {} has {}",
                       tensor.record_elements, width * tensor.record_elements, tensor.record,
                       member.is_packed ? "packed ones" : std::to_string(member.bytes)));
  }
  const std::uint64_t begin = width * tensor.first_element;
  const std::uint64_t end = begin + width * tensor.element_count();
  std::vector<float> values;
  std::string part;  // of an element, or some whole ones and a part
  std::uint64_t offset = 0;
  archive_.read(tensor.record, [&](std::string_view piece) {
    const auto first = std::min<std::uint64_t>(begin > offset ? begin - offset : 0, piece.size());
    const auto last = std::min<std::uint64_t>(end > offset ? end - offset : 0, piece.size());
    offset += piece.size();
    part += piece.substr(first, last - first);
    const auto whole = part.size() / width;
    const auto filled = values.size();
    values.resize(filled + whole);
    decode_floats(*type,
                  std::span(reinterpret_cast<const std::uint8_t*>(part.data()), whole * width),
                  std::span(values).subspan(filled));
    part.erase(0, whole * width);
  });
  return values;
}

}  // namespace gpt2::formats
