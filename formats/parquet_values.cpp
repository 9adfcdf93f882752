// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/parquet_values.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/byte_codec.h"
#include "formats/errors.h"

namespace gpt2::formats {
namespace {

constexpr std::uint64_t kMaxRun = std::uint64_t{1} << 31;  // a page has fewer values

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// `width` bits (at most 32) of `bytes` from bit `bit` on, the lowest first.
std::uint32_t load_bits(std::span<const std::uint8_t> bytes, std::uint64_t bit, unsigned width) {
  std::uint64_t value = 0;
  const std::size_t first = bit / 8, last = (bit + width + 7) / 8;
  for (std::size_t i = first; i < last; ++i) {
    value |= static_cast<std::uint64_t>(bytes[i]) << 8 * (i - first);
  }
  return static_cast<std::uint32_t>(value >> bit % 8 & ((std::uint64_t{1} << width) - 1));
}

/// A number in groups of seven bits, the lowest first; moves `position` behind it.
std::uint64_t load_varint(std::span<const std::uint8_t> bytes, std::size_t& position,
                          const char* field, const ParquetPagePlace& place) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (position == bytes.size()) place.refuse(field, "the page ends inside a number");
    const std::uint8_t byte = bytes[position++];
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  place.refuse(field, "a number has more than 64 bits");
}

std::uint64_t unzigzag(std::uint64_t value) { return value >> 1 ^ (~(value & 1) + 1); }

/// PLAIN: each value behind its length.
class PlainValues : public ParquetValues {
 public:
  PlainValues(std::uint32_t count, std::span<const std::uint8_t> bytes, ParquetPagePlace place)
      : left_(count), bytes_(bytes), place_(place) {}

  std::string_view next() override {
    if (left_ == 0 || bytes_.size() < 4) place_.refuse("value", "the page ends before its length");
    const std::uint32_t length = load_u32(bytes_.data());
    bytes_ = bytes_.subspan(4);
    if (length > bytes_.size()) {
      place_.refuse(
          "value", fmt::format("is {} bytes long and the page has {} left", length, bytes_.size()));
    }
    const auto value = as_text(bytes_.first(length));
    bytes_ = bytes_.subspan(length);
    if (--left_ == 0 && !bytes_.empty()) {
      place_.refuse("value", fmt::format("{} bytes follow the last one", bytes_.size()));
    }
    return value;
  }

 private:
  std::uint32_t left_;
  std::span<const std::uint8_t> bytes_;
  ParquetPagePlace place_;
};

/// PLAIN_DICTIONARY, RLE_DICTIONARY: places in the dictionary, behind a byte with their width.
class DictionaryValues : public ParquetValues {
 public:
  DictionaryValues(std::span<const std::uint8_t> bytes,
                   std::span<const std::string_view> dictionary, ParquetPagePlace place)
      : runs_(bytes.subspan(1), bytes[0], kField, place), dictionary_(dictionary), place_(place) {}

  std::string_view next() override {
    if (run_.count == 0) {
      run_ = runs_.next();
      if (run_.value >= dictionary_.size()) {
        place_.refuse(kField, fmt::format("is {}, and the dictionary has {} entries", run_.value,
                                          dictionary_.size()));
      }
    }
    --run_.count;
    return dictionary_[run_.value];
  }

  static constexpr const char* kField = "dictionary index";

 private:
  ParquetRuns runs_;
  ParquetRuns::Run run_;
  std::span<const std::string_view> dictionary_;
  ParquetPagePlace place_;
};

/// DELTA_BINARY_PACKED, in which the two encodings below keep their lengths: the first number, then
/// blocks of differences, each block cut into miniblocks with a bit width of their own.
class DeltaNumbers {
 public:
  DeltaNumbers(std::span<const std::uint8_t> bytes, std::uint32_t count, const char* field,
               ParquetPagePlace place)
      : bytes_(bytes), field_(field), place_(place), left_(count) {
    const std::uint64_t block_values = read_varint();
    miniblocks_ = read_varint();
    const std::uint64_t total = read_varint();
    value_ = unzigzag(read_varint());
    if (miniblocks_ == 0 || block_values % 128 != 0 || block_values % miniblocks_ != 0 ||
        block_values > kMaxBlockValues || block_values / miniblocks_ % 32 != 0) {
      place_.refuse(field_, fmt::format("blocks of {} values in {} parts are not possible",
                                        block_values, miniblocks_));
    }
    miniblock_values_ = block_values / miniblocks_;
    if (total != count) {
      place_.refuse(field_, fmt::format("there are {}, expected {}", total, count));
    }
  }

  /// The next number, which must be a length.
  std::uint32_t next() {
    if (left_ == 0) place_.refuse(field_, "there are no more");
    if (begun_) {
      if (miniblock_left_ == 0) begin_miniblock();
      value_ += min_delta_ + load_bits(miniblock_, miniblock_bit_, bit_width_);
      miniblock_bit_ += bit_width_;
      --miniblock_left_;
    }
    begun_ = true;
    --left_;
    const auto length = static_cast<std::int32_t>(value_);  // the differences may wrap
    if (length < 0) place_.refuse(field_, fmt::format("is {}, expected 0 or more", length));
    return static_cast<std::uint32_t>(length);
  }

  /// Passes over all numbers, which must not have begun; gives the bytes that follow them.
  std::span<const std::uint8_t> skip() {
    std::uint64_t deltas = left_ > 0 ? left_ - 1 : 0;
    while (deltas > 0) {
      begin_miniblock();
      deltas -= std::min(deltas, miniblock_values_);
    }
    left_ = 0;
    return bytes_.subspan(position_);
  }

 private:
  static constexpr std::uint64_t kMaxBlockValues = std::uint64_t{1} << 31;

  std::uint64_t read_varint() { return load_varint(bytes_, position_, field_, place_); }
  std::span<const std::uint8_t> take(std::uint64_t count) {
    if (count > bytes_.size() - position_) {
      place_.refuse(
          field_, fmt::format("a block of {} bytes has {} left", count, bytes_.size() - position_));
    }
    position_ += count;
    return bytes_.subspan(position_ - count, count);
  }
  void begin_miniblock() {
    if (widths_.empty()) {
      min_delta_ = unzigzag(read_varint());
      widths_ = take(miniblocks_);
    }
    bit_width_ = widths_.front();
    widths_ = widths_.subspan(1);
    if (bit_width_ > 32) place_.refuse(field_, fmt::format("bit width {}", bit_width_));
    miniblock_ = take(miniblock_values_ / 8 * bit_width_);
    miniblock_bit_ = 0;
    miniblock_left_ = miniblock_values_;
  }

  std::span<const std::uint8_t> bytes_;
  const char* field_;
  ParquetPagePlace place_;
  std::uint64_t left_;
  std::size_t position_ = 0;
  std::uint64_t miniblocks_ = 0, miniblock_values_ = 0;
  std::uint64_t value_ = 0, min_delta_ = 0;
  bool begun_ = false;
  std::span<const std::uint8_t> widths_;  // of the miniblocks of this block that are to come
  std::span<const std::uint8_t> miniblock_;
  std::uint64_t miniblock_left_ = 0, miniblock_bit_ = 0;
  unsigned bit_width_ = 0;
};

/// DELTA_LENGTH_BYTE_ARRAY: all lengths, then all bytes.
class DeltaLengthValues : public ParquetValues {
 public:
  DeltaLengthValues(std::uint32_t count, std::span<const std::uint8_t> bytes,
                    ParquetPagePlace place)
      : lengths_(bytes, count, "length", place),
        left_(count),
        bytes_(DeltaNumbers(lengths_).skip()),
        place_(place) {}

  std::string_view next() override {
    const std::uint32_t length = lengths_.next();
    if (length > bytes_.size()) {
      place_.refuse("length",
                    fmt::format("is {} and the page has {} bytes left", length, bytes_.size()));
    }
    const auto value = as_text(bytes_.first(length));
    bytes_ = bytes_.subspan(length);
    if (--left_ == 0 && !bytes_.empty()) {
      place_.refuse("length", fmt::format("{} bytes follow the last value", bytes_.size()));
    }
    return value;
  }

 private:
  DeltaNumbers lengths_;
  std::uint32_t left_;
  std::span<const std::uint8_t> bytes_;
  ParquetPagePlace place_;
};

/// DELTA_BYTE_ARRAY: how much of its predecessor each value begins with, then what follows that.
class DeltaValues : public ParquetValues {
 public:
  DeltaValues(std::uint32_t count, std::span<const std::uint8_t> bytes, ParquetPagePlace place)
      : prefix_lengths_(bytes, count, "prefix length", place),
        suffixes_(count, DeltaNumbers(prefix_lengths_).skip(), place),
        place_(place) {}

  std::string_view next() override {
    const std::uint32_t length = prefix_lengths_.next();
    if (length > value_.size()) {
      place_.refuse("prefix length",
                    fmt::format("is {} and the value before has {} bytes", length, value_.size()));
    }
    value_.resize(length);
    value_ += suffixes_.next();
    return value_;
  }

 private:
  DeltaNumbers prefix_lengths_;
  DeltaLengthValues suffixes_;
  std::string value_;
  ParquetPagePlace place_;
};

}  // namespace

void ParquetPagePlace::refuse(std::string_view field, std::string_view problem) const {
  throw FormatError(path, offset, field, fmt::format("{} (in the page that begins here)", problem));
}

std::uint64_t ParquetRuns::read_varint() { return load_varint(bytes_, position_, field_, place_); }

ParquetRuns::Run ParquetRuns::next() {
  if (packed_left_ == 0) {
    const std::uint64_t header = read_varint();
    const std::uint64_t count = header >> 1, left = bytes_.size() - position_;
    const bool packed = (header & 1) != 0;
    // A packed group is eight numbers: as many bytes as one of them has bits.
    const std::uint64_t run_bytes = packed ? count * bit_width_ : (bit_width_ + 7) / 8;
    if (count == 0 || count > kMaxRun || run_bytes > left) {
      place_.refuse(field_, fmt::format("a run of {} has {} bytes left", count, left));
    }
    const std::uint64_t bit = 8 * position_;
    position_ += run_bytes;
    if (!packed) {
      const auto value_bits = static_cast<unsigned>(8 * run_bytes);
      const std::uint32_t value = load_bits(bytes_, bit, value_bits);
      if (std::uint64_t{value} >> bit_width_ != 0) {
        place_.refuse(field_, fmt::format("is {}, which has more than {} bits", value, bit_width_));
      }
      return {value, count};
    }
    if (bit_width_ == 0) return {0, 8 * count};
    packed_left_ = 8 * count;
    packed_bit_ = bit;
  }
  Run run{load_bits(bytes_, packed_bit_, bit_width_), 0};
  do {
    ++run.count;
    --packed_left_;
    packed_bit_ += bit_width_;
  } while (packed_left_ > 0 && load_bits(bytes_, packed_bit_, bit_width_) == run.value);
  return run;
}

std::unique_ptr<ParquetValues> open_parquet_values(ParquetEncoding encoding, std::uint32_t count,
                                                   std::span<const std::uint8_t> bytes,
                                                   std::span<const std::string_view> dictionary,
                                                   ParquetPagePlace place) {
  switch (encoding) {
    case ParquetEncoding::kPlain:
      return std::make_unique<PlainValues>(count, bytes, place);
    case ParquetEncoding::kPlainDictionary:
    case ParquetEncoding::kRleDictionary:
      if (bytes.empty() || bytes[0] > 32) {
        place.refuse(DictionaryValues::kField, "has no bit width of at most 32");
      }
      return std::make_unique<DictionaryValues>(bytes, dictionary, place);
    case ParquetEncoding::kDeltaLengthByteArray:
      return std::make_unique<DeltaLengthValues>(count, bytes, place);
    case ParquetEncoding::kDeltaByteArray:
      return std::make_unique<DeltaValues>(count, bytes, place);
    case ParquetEncoding::kRle:
      break;
  }
  place.refuse("encoding", "RLE does not hold byte arrays");
}

std::vector<std::string_view> decode_parquet_dictionary(std::span<const std::uint8_t> bytes,
                                                        std::uint32_t count,
                                                        ParquetPagePlace place) {
  if (count > bytes.size() / 4) {
    place.refuse("num_values", fmt::format("{} entries do not fit {} bytes", count, bytes.size()));
  }
  std::vector<std::string_view> entries;
  entries.reserve(count);
  PlainValues values(count, bytes, place);
  for (std::uint32_t i = 0; i < count; ++i) entries.push_back(values.next());
  return entries;
}

}  // namespace gpt2::formats
