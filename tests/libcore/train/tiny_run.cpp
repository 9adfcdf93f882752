// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/libcore/train/tiny_run.h"

#include "formats/tokenizer_files.h"
#include "libcore/kernels/philox.h"
#include "tests/libcore/text/small_vocabulary.h"

namespace gpt2::train {
namespace {

/// Letters that follow each other by a rule with noise: there is something to learn.
std::vector<std::uint16_t> noisy_letters(std::size_t count, std::uint32_t seed) {
  std::vector<std::uint16_t> tokens(count);
  std::uint32_t letter = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto word = kernels::philox4x32({static_cast<std::uint32_t>(i)}, {seed})[0];
    letter = word % 8 == 0 ? (word >> 8) % 26 : (letter * 5 + 3) % 26;
    tokens[i] = static_cast<std::uint16_t>('a' + letter);
  }
  tokens.front() = kTinyVocabSize - 1;
  return tokens;
}

}  // namespace

TinyRun::TinyRun() {
  const auto vocabulary = test::make_vocabulary({});
  std::filesystem::create_directory(folder / "vocab");
  formats::save_tokenizer_files(folder / "vocab", vocabulary, 1024);
  const formats::TokenShardHeader base{.vocab_size = kTinyVocabSize,
                                       .end_of_text = kTinyVocabSize - 1,
                                       .tokenizer = formats::tokenizer_fingerprint(vocabulary)};
  write_shard("train_0.bin", noisy_letters(40 * kTinyContext + 1, 1), base);
  write_shard("train_1.bin", noisy_letters(20 * kTinyContext + 9, 2), base);
  write_shard("val.bin", noisy_letters(5 * kTinyContext + 1, 3), base);
}

TrainingConfig TinyRun::config(const std::string& out) const {
  TrainingConfig config;
  config.train = {at("train_*.bin")};
  config.val = {at("val.bin")};
  config.vocab = at("vocab");
  config.out = at(out);
  config.layers = 2;
  config.heads = 2;
  config.channels = 32;
  config.context = kTinyContext;
  config.batch_size = "2";
  config.total_batch_tokens = 8 * kTinyContext;
  config.max_steps = 12;
  config.learning_rate = 1e-2;
  config.warmup_steps = "2";
  config.dropout = 0.1;
  config.val_every = 4;
  config.save_every_steps = 0;
  config.save_every_epochs = 0;
  config.save_every_seconds = 0;
  config.threads = 1;  // waiting threads would slow down tests that run side by side
  return config;
}

TrainingConfig TinyRun::resume(const std::string& out) const {
  TrainingConfig config;
  config.out = at(out);
  config.resume = "latest";
  return config;
}

std::vector<std::string> TinyRun::metrics(const std::string& out) const {
  return comparable_metrics(run(out));
}

std::vector<std::string> comparable_metrics(const std::filesystem::path& run) {
  std::vector<std::string> lines;
  for (auto record : formats::load_train_log(run)) {
    if (record.kind == "checkpoint") continue;
    record.time = 0;
    record.numbers.erase("tokens_per_second");
    lines.push_back(formats::encode_train_log_record(record));
  }
  return lines;
}

std::map<std::string, std::string> TinyRun::final_files(const std::string& out) const {
  std::map<std::string, std::string> files;
  const auto prefix = std::filesystem::relative(checkpoint(out, "final"), folder).string() + "/";
  for (const auto& [name, bytes] : contents()) {
    if (name.starts_with(prefix) && !name.ends_with("checkpoint.json"))
      files[name.substr(prefix.size())] = bytes;
  }
  return files;
}

}  // namespace gpt2::train
