// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/prometheus_text.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <vector>

#include "formats/errors.h"
#include "tests/support/temporary_folder.h"

namespace gpt2::formats {
namespace {

BOOST_AUTO_TEST_SUITE(prometheus_text)

BOOST_AUTO_TEST_CASE(metrics_have_help_type_and_escaped_labels) {
  const std::vector<PrometheusMetric> metrics{{"a_total", "counter", "Of a.", 12},
                                              {"b", "gauge", "Of b.", NAN}};
  BOOST_TEST(encode_prometheus_text(metrics, {{"run", "x\"y\\z\n"}}) ==
             "# HELP a_total Of a.\n# TYPE a_total counter\na_total{run=\"x\\\"y\\\\z\\n\"} 12\n"
             "# HELP b Of b.\n# TYPE b gauge\nb{run=\"x\\\"y\\\\z\\n\"} NaN\n");
}

BOOST_AUTO_TEST_CASE(file_is_replaced_and_nothing_stands_beside_it) {
  const support::TemporaryFolder folder;
  const auto path = folder / "run.prom";
  save_prometheus_text(path, "a 1\n");
  save_prometheus_text(path, "a 2\n");
  std::ifstream file(path);
  BOOST_TEST(std::string(std::istreambuf_iterator<char>(file), {}) == "a 2\n");
  using Iterator = std::filesystem::directory_iterator;
  BOOST_TEST(std::distance(Iterator(folder.path()), Iterator()) == 1);
  BOOST_CHECK_THROW(save_prometheus_text(folder / "none" / "run.prom", ""), IoError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace gpt2::formats
