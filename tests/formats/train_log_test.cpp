// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/train_log.h"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>

#include "formats/durable_file.h"
#include "formats/errors.h"
#include "tests/support/temporary_folder.h"

using namespace gpt2::formats;

namespace {

class Run {
  gpt2::support::TemporaryFolder folder_;

 public:
  ~Run() { set_fault_hook({}); }
  void put(const char* name, std::string_view text) const {
    std::ofstream(path / name, std::ios::binary) << text;
  }
  std::string get(const char* name) const {
    std::ifstream file(path / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  const std::filesystem::path path = folder_.path();
};

TrainLogRecord train(std::uint64_t step, double loss) {
  return {.kind = "train", .step = step, .time = 1.5, .numbers = {{"loss", loss}}, .text = ""};
}

constexpr const char* kMetrics =
    "{\"kind\":\"train\",\"step\":1,\"time\":1.5,\"loss\":2}\n"
    "{ \"kind\": \"val\", \"step\": 2, \"time\": 1.5, \"loss\": 3.0 }\n"
    "{\"kind\":\"train\",\"step\":3,\"time\":1.5,\"loss\":4}\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(train_log)

BOOST_AUTO_TEST_CASE(record_reads_back_as_written) {
  const TrainLogRecord record{.kind = "sample",
                              .step = 18446744073709551615ULL,
                              .time = 1763697600.123456,
                              .numbers = {{"loss", 0.1}, {"tiny", 5e-324}, {"minus", -1e300}},
                              .text = "two\nlines, \"quotes\", \x01 and \xC3\xA9"};
  const auto line = encode_train_log_record(record);
  BOOST_TEST(line.find('\n') == std::string::npos);
  BOOST_CHECK(decode_train_log_record(line, "m", 1) == record);
}

BOOST_AUTO_TEST_CASE(record_is_written_as_the_page_says) {
  const TrainLogRecord record{
      .kind = "train",
      .step = 1,
      .time = 1763697600.25,
      .numbers = {{"loss", 10.95}, {"learning_rate", 8.4e-7}, {"gradient_norm", 14.5}},
      .text = ""};
  BOOST_TEST(encode_train_log_record(record) ==
             R"({"kind": "train", "step": 1, "time": 1763697600.25, )"
             R"("gradient_norm": 14.5, "learning_rate": 8.4e-07, "loss": 10.95})");
}

BOOST_AUTO_TEST_CASE(histogram_reads_back_and_needs_all_of_its_parts) {
  const std::string whole =
      R"({"kind": "histogram", "step": 500, "time": 2, "high": 0.4, "low": -0.4, "sum": 1.5, )"
      R"("sum_squares": 0.3, "text": "weights/wte.weight", "counts": [1, 5, 7, 3]})";
  const auto record = decode_train_log_record(whole, "m", 1);
  BOOST_TEST(record.counts == (std::vector<std::uint64_t>{1, 5, 7, 3}),
             boost::test_tools::per_element());
  BOOST_TEST(encode_train_log_record(record) == whole);
  for (const std::string part :
       {R"("high": 0.4, )", R"("low": -0.4, )", R"("sum": 1.5, )", R"("sum_squares": 0.3, )",
        R"("text": "weights/wte.weight", )", R"(, "counts": [1, 5, 7, 3])", "1, 5, 7, 3"}) {
    auto lacking = whole;
    lacking.erase(lacking.find(part), part.size());
    BOOST_TEST_CONTEXT(lacking) {
      BOOST_CHECK_THROW(decode_train_log_record(lacking, "m", 1), FormatError);
    }
  }
}

BOOST_AUTO_TEST_CASE(number_that_is_not_finite_reads_back_as_nan) {
  for (const double value :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity()}) {
    const auto line = encode_train_log_record(train(1, value));
    BOOST_TEST(std::isnan(decode_train_log_record(line, "m", 1).numbers.at("loss")));
  }
}

BOOST_AUTO_TEST_CASE(refuses_lines_that_are_no_records) {
  for (const char* line :
       {"", "{", "[]", "7", "{}", R"({"kind":"train","step":1})", R"({"kind":1,"step":1,"time":1})",
        R"({"kind":"val","step":-1,"time":1})", R"({"kind":"val","step":1.5,"time":1})",
        R"({"kind":"val","step":1,"time":"now"})", R"({"kind":"val","step":1,"time":1,"loss":"3"})",
        R"({"kind":"val","step":1,"time":1,"loss":[3]})",
        R"({"kind":"sample","step":1,"time":1,"text":3})"}) {
    BOOST_TEST_CONTEXT(line) {
      BOOST_CHECK_EXCEPTION(decode_train_log_record(line, "run/metrics.jsonl", 7), FormatError,
                            [](const auto& error) {
                              return std::string(error.what()).starts_with("run/metrics.jsonl:7");
                            });
    }
  }
}

BOOST_AUTO_TEST_CASE(log_line_is_step_kind_number) {
  BOOST_CHECK(decode_log_line("250 val 3.2187", "log.txt", 1) ==
              (TrainLogRecord{.kind = "val", .step = 250, .numbers = {{"loss", 3.2187}}}));
  BOOST_CHECK(decode_log_line("0 hella 0.2503", "log.txt", 1) ==
              (TrainLogRecord{.kind = "hella", .step = 0, .numbers = {{"accuracy", 0.2503}}}));
  for (const char* line : {"", "1", "1 train", "1 train ", "x train 1", "-1 train 1", "1 loss 1",
                           "1 train 1 2", "1  train 1", "1 train 1x", " 1 train 1"}) {
    BOOST_TEST_CONTEXT(line) {
      BOOST_CHECK_THROW(decode_log_line(line, "log.txt", 1), FormatError);
    }
  }
}

BOOST_AUTO_TEST_CASE(writer_appends_both_files_a_whole_line_at_a_time) {
  const Run run;
  TrainLogWriter writer(run.path, 0);
  writer.write(train(1, 10.9876543));
  BOOST_TEST(run.get("log.txt") == "1 train 10.987654\n");
  writer.write({.kind = "val", .step = 1, .time = 2, .numbers = {{"loss", 3.21878}}});
  writer.write({.kind = "hella", .step = 1, .time = 2, .numbers = {{"accuracy", 0.25034}}});
  writer.write({.kind = "sample", .step = 1, .time = 2, .text = "text"});
  writer.write(train(2, std::numeric_limits<double>::quiet_NaN()));
  BOOST_TEST(run.get("log.txt") ==
             "1 train 10.987654\n1 val 3.2188\n1 hella 0.2503\n2 train nan\n");
  const auto records = load_train_log(run.path);
  BOOST_REQUIRE(records.size() == 5);
  BOOST_CHECK(records[0] == train(1, 10.9876543));
  BOOST_TEST(records[3].text == "text");
  BOOST_TEST(load_log_text(run.path).size() == 4);
}

BOOST_AUTO_TEST_CASE(cut_back_keeps_lines_through_the_step_byte_for_byte) {
  const Run run;
  run.put("metrics.jsonl", kMetrics);
  run.put("log.txt", "1 train 2.000000\n2 val 3.0000\n3 train 4.000000\n");
  {
    TrainLogWriter writer(run.path, 2);
    writer.write(train(3, 5));
  }
  BOOST_TEST(run.get("metrics.jsonl") ==
             "{\"kind\":\"train\",\"step\":1,\"time\":1.5,\"loss\":2}\n"
             "{ \"kind\": \"val\", \"step\": 2, \"time\": 1.5, \"loss\": 3.0 }\n" +
                 encode_train_log_record(train(3, 5)) + "\n");
  BOOST_TEST(run.get("log.txt") == "1 train 2.000000\n2 val 3.0000\n3 train 5.000000\n");
}

BOOST_AUTO_TEST_CASE(cut_back_to_step_0_empties_both) {
  const Run run;
  run.put("metrics.jsonl", "{\"kind\":\"val\",\"step\":0,\"time\":1,\"loss\":2}\n");
  run.put("log.txt", "0 val 2.0000\n");
  const TrainLogWriter writer(run.path, 0);
  BOOST_TEST(run.get("metrics.jsonl") == "");
  BOOST_TEST(run.get("log.txt") == "");
}

BOOST_AUTO_TEST_CASE(cut_back_drops_what_is_no_record) {
  const Run run;
  const std::string torn = std::string(kMetrics) + "{\"kind\":\"train\",\"step\":4,\"ti";
  run.put("metrics.jsonl", std::string(7, '\0') + "\n" + torn);
  run.put("log.txt", "damaged\n1 train 2.000000\n2 train 3.2");
  const TrainLogWriter writer(run.path, 9);
  BOOST_TEST(run.get("metrics.jsonl") == kMetrics);
  BOOST_TEST(run.get("log.txt") == "1 train 2.000000\n");
}

BOOST_AUTO_TEST_CASE(cut_back_that_fails_leaves_the_files_as_they_were) {
  for (const std::string failing : {"open", "write", "fsync", "rename"}) {
    BOOST_TEST_CONTEXT(failing) {
      const Run run;
      run.put("metrics.jsonl", kMetrics);
      bool reached = false;
      set_fault_hook([&](std::string_view call, const std::filesystem::path&) {
        reached = reached || call == failing;
        return call == failing ? ENOSPC : 0;
      });
      BOOST_CHECK_THROW(TrainLogWriter(run.path, 1), IoError);
      BOOST_TEST(reached);
      BOOST_TEST(run.get("metrics.jsonl") == kMetrics);
    }
  }
}

BOOST_AUTO_TEST_CASE(last_line_cut_short_is_left_out_and_others_are_refused) {
  const Run run;
  run.put("metrics.jsonl", std::string(kMetrics) + "{\"kind\":\"tr");
  BOOST_TEST(load_train_log(run.path).size() == 3);
  run.put("metrics.jsonl", std::string("{\"kind\":\"tr\n") + kMetrics);
  BOOST_CHECK_THROW(load_train_log(run.path), FormatError);
  run.put("log.txt", "1 train 2.0\n1 tra");
  BOOST_TEST(load_log_text(run.path).size() == 1);
}

BOOST_AUTO_TEST_CASE(missing_file_is_an_input_error) {
  const Run run;
  BOOST_CHECK_THROW(load_train_log(run.path), InputError);
  BOOST_CHECK_THROW(TrainLogWriter(run.path / "missing", 0), IoError);
}

BOOST_AUTO_TEST_CASE(what_is_no_file_is_refused_at_once) {
  for (const std::filesystem::path target : {"/dev/zero", "/", "metrics.jsonl"}) {
    const Run run;
    std::filesystem::create_symlink(target, run.path / "metrics.jsonl");
    BOOST_CHECK_THROW(load_train_log(run.path), Error);
  }
  const Run run;
  BOOST_TEST_REQUIRE(::mkfifo((run.path / "log.txt").c_str(), 0666) == 0);
  BOOST_CHECK_THROW(load_log_text(run.path), InputError);
}

// More than the pieces in which a file is read.
BOOST_AUTO_TEST_CASE(long_lines_and_files_read_back) {
  const Run run;
  std::vector<TrainLogRecord> records;
  for (std::uint64_t step = 1; step <= 20; ++step) {
    records.push_back({.kind = "sample",
                       .step = step,
                       .time = 0,
                       .numbers = {},
                       .text = std::string(step * 10'000, 'a')});
  }
  {
    TrainLogWriter writer(run.path, 0);
    for (const auto& record : records) writer.write(record);
  }
  BOOST_TEST((load_train_log(run.path) == records));
  run.put("metrics.jsonl", std::string(18 << 20, 'a') + "\n");
  BOOST_CHECK_THROW(load_train_log(run.path), FormatError);
}

BOOST_AUTO_TEST_SUITE_END()
