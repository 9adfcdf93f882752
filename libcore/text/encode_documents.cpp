// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/text/encode_documents.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "formats/errors.h"
#include "formats/token_shard.h"

namespace gpt2::text {
namespace {

using Ids = std::vector<std::uint16_t>;
using Batch = std::vector<TextPiece>;

constexpr std::size_t kBatchBytes = std::size_t{1} << 20;
constexpr unsigned kMaxThreads = 1024;
constexpr std::size_t kBatchPieces = 4096;  // empty documents end a batch too

/// Threads that encode batches; each has an Encoder of its own.
class EncoderPool {
 public:
  EncoderPool(const Tokenizer& tokenizer, unsigned threads) : tokenizer_(tokenizer) {
    for (unsigned thread = 0; thread < threads; ++thread) {
      threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
    }
  }
  std::future<Ids> submit(Batch batch) {
    Task task{std::move(batch), {}};
    std::future<Ids> ids = task.ids.get_future();
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    ready_.notify_one();
    return ids;
  }

 private:
  struct Task {
    Batch batch;
    std::promise<Ids> ids;
  };
  void work(const std::stop_token& stop) {
    Encoder encoder(tokenizer_);
    for (;;) {
      Task task;
      {
        std::unique_lock lock(mutex_);
        if (!ready_.wait(lock, stop, [&] { return !tasks_.empty(); })) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      try {
        task.ids.set_value(encode(encoder, task.batch));
      } catch (...) {
        task.ids.set_exception(std::current_exception());
      }
    }
  }
  Ids encode(Encoder& encoder, const Batch& batch) const {
    const std::uint32_t end_of_text = tokenizer_.end_of_text();
    Ids ids;
    for (const TextPiece& piece : batch) {
      if (piece.begins_document && end_of_text != formats::kNoToken) {
        ids.push_back(static_cast<std::uint16_t>(end_of_text));
      }
      encoder.encode(piece.text, ids);
    }
    return ids;
  }

  const Tokenizer& tokenizer_;
  std::mutex mutex_;
  std::condition_variable_any ready_;
  std::deque<Task> tasks_;
  std::vector<std::jthread> threads_;  // last: they stop before the rest goes
};

/// CPUs that this process may use: a container or taskset may leave it fewer than the machine has.
unsigned count_allowed_cpus() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    return std::max(1U, std::thread::hardware_concurrency());
  }
  return static_cast<unsigned>(CPU_COUNT(&allowed));
}

/// Fills `batch`; false when no document is left.
bool read_batch(DocumentSource& source, Batch& batch, std::uint64_t& text_bytes) {
  batch.clear();
  std::size_t bytes = 0;
  TextPiece piece;
  while (bytes < kBatchBytes && batch.size() < kBatchPieces && source.next(piece)) {
    bytes += piece.text.size();
    batch.push_back(std::move(piece));
  }
  text_bytes += bytes;
  return !batch.empty();
}

}  // namespace

EncodeSummary encode_documents(DocumentSource& source, const Tokenizer& tokenizer,
                               const EncodeOptions& options, std::ostream& out) {
  if (options.threads > kMaxThreads) {
    throw formats::UsageError(
        fmt::format("{} threads are too many; at most {}", options.threads, kMaxThreads));
  }
  const unsigned threads = options.threads > 0 ? options.threads : count_allowed_cpus();
  formats::TokenStreamWriter writer(
      out, {tokenizer.vocab_size(), tokenizer.end_of_text(), tokenizer.fingerprint()});
  EncodeSummary summary;
  EncoderPool pool(tokenizer, threads);
  std::deque<std::future<Ids>> pending;  // in the order of the documents
  Batch batch;
  bool more = true;
  while (more || !pending.empty()) {
    while (more && pending.size() < 2 * std::size_t{threads} + 1) {
      more = read_batch(source, batch, summary.text_bytes);
      if (more) pending.push_back(pool.submit(std::move(batch)));
    }
    if (pending.empty()) break;
    writer.append(pending.front().get());
    pending.pop_front();
    if (options.progress) options.progress();
  }
  summary.document_count = source.document_count();
  writer.finish(summary.document_count);
  summary.token_count = writer.token_count();
  return summary;
}

void decode_documents(formats::TokenStreamReader& tokens, const Tokenizer& tokenizer,
                      std::string_view separator, std::ostream& out) {
  const formats::TokenStreamHeader& header = tokens.header();
  if (!formats::may_match(header.tokenizer, tokenizer.fingerprint())) {
    throw formats::InputError(
        fmt::format("the token stream was made with another vocabulary (fingerprint {}, this one "
                    "has {}); give the one it was made with",
                    formats::to_hex(header.tokenizer), formats::to_hex(tokenizer.fingerprint())));
  }
  Ids ids;
  std::string bytes;
  for (bool begins_stream = true; tokens.next(ids);) {
    bytes.clear();
    for (const std::uint16_t id : ids) {
      if (id != header.end_of_text) {
        bytes += tokenizer.token_bytes(id);
      } else if (!begins_stream) {
        bytes += separator;
      }
      begins_stream = false;
    }
    errno = 0;
    if (!out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush()) {
      formats::throw_io_error("standard output", "writing");
    }
  }
}

}  // namespace gpt2::text
