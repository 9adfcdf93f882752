// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "libcore/fetch/catalogue.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpt2::fetch {
namespace {

/// A file as the tables below have it. `hash`: a SHA-256, or git's name of the blob; empty where
/// only the hub can say it.
struct Row {
  std::string name;
  std::uint64_t bytes = 0;
  std::string_view hash;
};

/// Files that lie side by side under `base`.
std::vector<KnownFile> files_at(const std::string& base, const std::vector<Row>& rows) {
  std::vector<KnownFile> files;
  for (const auto& [name, bytes, hash] : rows) {
    files.push_back({.name = name,
                     .url = fmt::format("{}/{}", base, name),
                     .bytes = bytes,
                     .hash = content_hash_from_hex(hash)});
  }
  return files;
}

std::vector<KnownFile> hub_files(std::string_view repository, std::string_view revision,
                                 const std::vector<Row>& rows) {
  auto files = files_at("", rows);
  for (auto& file : files) file.url = hub_url(repository, revision, file.name);
  return files;
}

constexpr std::string_view kVocabularyHash =
    "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783";
constexpr std::string_view kMergesHash =
    "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5";
constexpr std::uint64_t kVocabularyBytes = 1'042'301, kMergesBytes = 456'318;

DataSet vocabulary() {
  return {.name = "gpt2-vocab",
          .about = "GPT-2's vocabulary",
          .licence = "Modified MIT",
          .files = files_at("https://openaipublic.blob.core.windows.net/gpt-2/encodings/main",
                            {{"encoder.json", kVocabularyBytes, kVocabularyHash},
                             {"vocab.bpe", kMergesBytes, kMergesHash}})};
}

/// A model directory: weights, configuration, vocabulary.
DataSet model(const std::string& name, const std::string& size, std::string_view revision,
              std::vector<Row> rows) {
  rows.push_back({"vocab.json", kVocabularyBytes, kVocabularyHash});
  rows.push_back({"merges.txt", kMergesBytes, kMergesHash});
  return {.name = name,
          .about = "OpenAI's GPT-2 with " + size + " parameters, as --checkpoint takes it",
          .licence = "MIT",
          .files = hub_files("openai-community/" + name, revision, rows)};
}

std::vector<DataSet> models() {
  return {
      model(
          "gpt2", "124M", "607a30d783dfa663caf39e06633721c8d4cfcd7e",
          {{"model.safetensors", 548'105'171,
            "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707"},
           {"config.json", 665, "0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4"},
           {"generation_config.json", 124,
            "ed0b32ac72c0f5f44a719abb2d7786ea5146c871f83717b7f2018065954de02b"}}),
      model(
          "gpt2-medium", "355M", "6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
          {{"model.safetensors", 1'519'984'962,
            "fc5a354a19255ad494f3d71549390baca1ccf61d1d822b9408971705c687c9cd"},
           {"config.json", 718, "ef1a44d889ad1a0acc7731c78134f1b87d2d222f110e97dd10fd4117331caf22"},
           {"generation_config.json", 124,
            "b90eadacf585a743a30ea51e8b5c88b8d282a2a34dc0c7e556d0987cdbd68805"}}),
      model("gpt2-large", "774M", "32b71b12589c2f8d625668d2335a01cac3249519",
            {{"model.safetensors", 0,
              "5f47f3e12f91cd33b662ce7e433b6150ad5512b5884a2cee961b50e9c3bbebce"},
             {"config.json"},
             {"generation_config.json"}}),
      model("gpt2-xl", "1558M", "15ea56dee5df4983c59b2538573817e1667135e2",
            {{"model.safetensors", 0,
              "0f8b28eb05a8075f48b61b6f35332978c74fc7763fa9fb4051a1c30511736a6a"},
             {"config.json", 0, "be48115d52314bc27327e160bf10197760db02ea689d10adb24db4102edf7a8a"},
             {"generation_config.json", 0,
              "b90eadacf585a743a30ea51e8b5c88b8d282a2a34dc0c7e556d0987cdbd68805"}}),
  };
}

std::vector<DataSet> texts() {
  return {
      {.name = "tinyshakespeare",
       .about = "40,000 lines of Shakespeare in one text",
       .licence = "public domain",
       .files = files_at(
           "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare",
           {{"input.txt", 1'115'394,
             "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"}})},
      {.name = "wikitext-2",
       .about = "WikiText-2, raw: 2 million words of Wikipedia",
       .licence = "CC BY-SA 3.0",
       .files = hub_files("datasets/ggml-org/ci", "927b3642933080f1b0e811e2f916e14c292992f9",
                          {{"wikitext-2-raw-v1.zip", 4'721'645,
                            "ef7edb566e3e2b2d31b29c1fdb0c89a4cc683597484c3dc2517919c615435a11"}}),
       .members = {"wikitext-2-raw/wiki.train.raw", "wikitext-2-raw/wiki.valid.raw",
                   "wikitext-2-raw/wiki.test.raw"}},
      {.name = "wikitext-103",
       .about = "WikiText-103, raw: 103 million words of Wikipedia",
       .licence = "CC BY-SA 3.0",
       .files = hub_files("datasets/mattdangerw/wikitext-103-raw",
                          "3555105b17ae31cc619a136fac72dbe2865c3738",
                          {{"wikitext-103-raw-v1.zip", 191'984'949,
                            "91c00ae287f0d699e18605c84afc9e45c192bc6b7797ff8837e5474655a33794"}}),
       .members = {"wikitext-103-raw/wiki.train.raw", "wikitext-103-raw/wiki.valid.raw",
                   "wikitext-103-raw/wiki.test.raw"}},
      {.name = "alpaca",
       .about = "52,000 instructions with answers",
       .licence = "CC BY-NC 4.0",
       .files = files_at("https://raw.githubusercontent.com/tatsu-lab/stanford_alpaca/"
                         "761dc5bfbdeeffa89b8bff5d038781a4055f796a",
                         {{"alpaca_data.json", 0, "3779ddbc040543ab1834ef216c983d6fcc06cc9a"}})},
  };
}

std::vector<DataSet> evaluations() {
  return {
      {.name = "hellaswag",
       .about = "HellaSwag: which of four endings fits",
       .licence = "MIT",
       .files = files_at("https://raw.githubusercontent.com/rowanz/hellaswag/master/data",
                         {{"hellaswag_val.jsonl", 12'246'618,
                           "0aa3b88843990f3f10a97b9575c94d7b71fb2205240ba04ae4884d9e9c992588"},
                          {"hellaswag_train.jsonl", 47'496'131,
                           "dae5e69249868cb9fe4e23ff925c60b66169564cfb7072d793cd7356a2b69f8d"},
                          {"hellaswag_test.jsonl", 11'752'147,
                           "da082b00543e422b8d25394614d102944586986def4de5cd1bd36d86bcb76261"}})},
      {.name = "lambada",
       .about = "LAMBADA, OpenAI's copy: the last word of 5,153 passages",
       .licence = "MIT",
       .files = files_at("https://openaipublic.blob.core.windows.net/gpt-2/data",
                         {{"lambada_test.jsonl", 1'819'752,
                           "4aa8d02cd17c719165fc8a7887fddd641f43fcafa4b1c806ca8abc31fabdb226"}})},
  };
}

constexpr std::string_view kFineWebEdu = "datasets/HuggingFaceFW/fineweb-edu";
constexpr std::string_view kFineWebEduRevision = "87f09149ef4734204d70ed1d046ddc9ca3f2b8f9";

DataSet fineweb_edu_10b() {
  const std::vector<Row> rows{{"000_00000.parquet", 2'152'819'114,
                               "b1ba7b2ce4cb5ea6ef42dca40263eabb85f37700d01693a68e9b30a31d78e871"},
                              {"001_00000.parquet", 2'152'222'432,
                               "3fcf2dc69cd52503986276d3d2d26a8c356d0f2ea28a0de4fdbda8cf87755693"},
                              {"002_00000.parquet", 2'151'796'315,
                               "547ae182d132c9f06b6ce63149567208ea9f57630bfd9b1a2938e504f0c9ebd7"},
                              {"003_00000.parquet", 2'152'437'524,
                               "22184e6eb25759ddd97783751ffc73e1705dfa2542e630dae1f2a8bac8ee6ddb"},
                              {"004_00000.parquet", 2'152'338'550,
                               "33557ddd87a07a4ae6fcaf7a4789c7b484e5cc0c273ca12a65b74200e6d8748b"},
                              {"005_00000.parquet", 2'152'189'947,
                               "e08d79927ecb377786572cd854817c748ceb8880878b1a0eb91abf8c85d505ea"},
                              {"006_00000.parquet", 2'152'689'867,
                               "554fa2613c9261d6c9c396caab881de3160175794c6c3e1856bf28a0e9cb9b76"},
                              {"007_00000.parquet", 2'150'686'637,
                               "4b7d1f697d4afff7f5f65cb7aa4d83acc6db716da4d46ea23399d0c50608c6e3"},
                              {"008_00000.parquet", 2'151'274'846,
                               "a6d9dcc0c72ecd7c7f0173c2d06b3a4249a2ccaa94961469d1a522ca689bbf1a"},
                              {"009_00000.parquet", 2'151'913'277,
                               "f836cd3c70b95776699eb6c356b2dbf702816e25dcf39992f5c80a29029d23c3"},
                              {"010_00000.parquet", 2'152'798'864,
                               "e5a2eae25f057f0856a10bfae314c6ca8ea8bb08456d2131e9e89b2b8305e2f6"},
                              {"011_00000.parquet", 2'152'323'681,
                               "db71cf0425bb3d1813a09f12ff1acd6dabdfb91a2e4f141960254ee5a7f036e7"},
                              {"012_00000.parquet", 2'152'069'689,
                               "08b47a3e1c25161f796d2f8dbf99ccf60affdebdcea4910833d0d5783315551f"},
                              {"013_00000.parquet", 540'632'672,
                               "b393f51fefab26cd6f4c8f65707c1924f6666c4961a0ebebe04bb57f7ec832de"}};
  DataSet set{.name = "fineweb-edu-10B",
              .about = "FineWeb-Edu, sample of 10 billion tokens, as Parquet",
              .licence = "ODC-By 1.0",
              .files = hub_files(kFineWebEdu, kFineWebEduRevision, rows)};
  for (auto& file : set.files) {
    file.url = hub_url(kFineWebEdu, kFineWebEduRevision, "sample/10BT/" + file.name);
  }
  return set;
}

/// Token shards as llm.c numbers them: val is 000000, train begins with 000001.
std::vector<KnownFile> shards(std::string_view repository, std::string_view revision,
                              std::string_view prefix, int train_count) {
  std::vector<Row> rows{{fmt::format("{}_val_000000.bin", prefix)}};
  for (int i = 1; i <= train_count; ++i) {
    rows.push_back({fmt::format("{}_train_{:06}.bin", prefix, i)});
  }
  return hub_files(repository, revision, rows);
}

std::vector<DataSet> large_sets() {
  return {
      fineweb_edu_10b(),
      {.name = "fineweb-edu-100B",
       .about = "FineWeb-Edu, sample of 100 billion tokens, as Parquet",
       .licence = "ODC-By 1.0",
       .folder = {.repository = std::string(kFineWebEdu),
                  .revision = std::string(kFineWebEduRevision),
                  .path = "sample/100BT"}},
      {.name = "fineweb-10B-gpt2",
       .about = "FineWeb, 10 billion tokens, as token shards of 100M tokens (modded-nanogpt's)",
       .licence = "ODC-By 1.0",
       .files = shards("datasets/kjj0/fineweb10B-gpt2", "889765ea1f903759787add96995d81171b632d0c",
                       "fineweb", 103)},
      {.name = "fineweb-edu-100B-gpt2",
       .about = "FineWeb-Edu, 100 billion tokens, as token shards of 100M tokens (llm.c's)",
       .licence = "ODC-By 1.0",
       .files = shards("datasets/karpathy/fineweb-edu-100B-gpt2-token-shards",
                       "a33f75d78c7f74236fb03754ec1eb3cc77507d64", "edu_fineweb", 1001)},
  };
}

std::vector<DataSet> make_catalogue() {
  std::vector<DataSet> all{vocabulary()};
  for (auto& part : {models(), texts(), evaluations(), large_sets()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace

const std::vector<DataSet>& catalogue() {
  static const std::vector<DataSet> kAll = make_catalogue();
  return kAll;
}

const DataSet* find_data_set(std::string_view name) {
  const auto& all = catalogue();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const DataSet& set) { return set.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string hub_url(std::string_view repository, std::string_view revision, std::string_view path) {
  return fmt::format("{}/{}/resolve/{}/{}", kHub, repository, revision, path);
}

}  // namespace gpt2::fetch
