// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Unpacks the pages of a Parquet file. Spec: formats/parquet.md.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "formats/parquet_enums.h"
#include "formats/parquet_values.h"

namespace gpt2::formats {

/// Memory that grows and is not cleared, so that what is never written costs nothing.
class ByteBuffer {
 public:
  std::uint8_t* data() const { return bytes_.get(); }
  std::size_t size() const { return size_; }
  /// Makes room for `size` bytes; the first `kept` of those that were there stay.
  void reserve(std::size_t size, std::size_t kept = 0);

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_ = 0;
};

/// Unpacks one page after the other. Owns: what the libraries keep between pages.
class ParquetUnpacker {
 public:
  ParquetUnpacker();
  ~ParquetUnpacker();
  /// Gives the `bytes` bytes that `stored` holds: in `buffer`, or `stored` itself if it is not
  /// packed. Throws: FormatError if `stored` is damaged or holds more or less.
  std::span<const std::uint8_t> unpack(ParquetCodec codec, std::span<const std::uint8_t> stored,
                                       std::uint32_t bytes, ByteBuffer& buffer,
                                       const ParquetPagePlace& place) const;

 private:
  struct Libraries;
  std::unique_ptr<Libraries> libraries_;
};

}  // namespace gpt2::formats
