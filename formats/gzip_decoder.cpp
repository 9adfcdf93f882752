// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/gzip_decoder.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

namespace gpt2::formats {
namespace {

constexpr int kWindowBits = 15, kGzipAlone = 16;

uInt clipped(std::size_t bytes) {
  return static_cast<uInt>(std::min<std::size_t>(bytes, std::numeric_limits<uInt>::max()));
}

}  // namespace

GzipDecoder::GzipDecoder() : stream_(std::make_unique<z_stream>()) {
  if (inflateInit2(stream_.get(), kWindowBits + kGzipAlone) != Z_OK) throw std::bad_alloc();
}

GzipDecoder::~GzipDecoder() { inflateEnd(stream_.get()); }

GzipDecoder::Step GzipDecoder::decode(std::span<const std::uint8_t> in,
                                      std::span<std::uint8_t> out) {
  const uInt in_bytes = clipped(in.size()), out_bytes = clipped(out.size());
  stream_->next_in = const_cast<Bytef*>(in.data());  // zlib only reads it
  stream_->avail_in = in_bytes;
  stream_->next_out = out.data();
  stream_->avail_out = out_bytes;
  const int status = inflate(stream_.get(), Z_NO_FLUSH);
  Step step{.consumed = in_bytes - stream_->avail_in, .produced = out_bytes - stream_->avail_out};
  if (status == Z_MEM_ERROR) throw std::bad_alloc();
  if (status == Z_STREAM_END) {
    step.ends_member = true;
    inflateReset(stream_.get());
  } else if (status != Z_OK && status != Z_BUF_ERROR) {  // Z_BUF_ERROR: nothing left to work on
    step.problem = stream_->msg != nullptr ? stream_->msg : "damaged";
  }
  return step;
}

}  // namespace gpt2::formats
