// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "tests/layers/layer_rules.h"

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "tests/support/temporary_folder.h"

namespace gpt2::layers {
namespace {

namespace fs = std::filesystem;

/// A small tree to break rules in.
struct Tree {
  support::TemporaryFolder folder;
  const fs::path root = folder.path();
  Tree() {
    for (const auto* file : {"formats/crc.h", "libcore/text/bpe.h", "libcore/kernels/kernels.h",
                             "libcore/kernels/philox.h", "libcore/kernels/gelu_cuda.h",
                             "libcore/model/gpt2.h", "libcore/data/order.h", "tools/cli/tool.h",
                             "tools/gpt2-a/options.h", "tests/fixture.h"}) {
      add(file, "#pragma once\n");
    }
  }
  void add(const fs::path& file, const std::string& text) const {
    fs::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  }
  /// The only broken rule after `file` has come to be; empty if none.
  std::string broken_by(const fs::path& file, const std::string& text) const {
    add(file, text);
    const auto broken = broken_rules(root);
    fs::remove(root / file);
    BOOST_TEST(broken.size() <= 1U);
    return broken.empty() ? "" : broken.front();
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(layer_rules)

BOOST_AUTO_TEST_CASE(this_tree_keeps_every_rule) {
  for (const auto& broken : broken_rules(GPT2_SOURCE_DIR)) BOOST_ERROR(broken);
}

BOOST_FIXTURE_TEST_CASE(a_tree_without_a_layer_is_no_tree, Tree) {
  fs::remove_all(root / "formats");
  BOOST_TEST(broken_rules(root) == std::vector<std::string>{"formats:0: is missing"},
             boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(arrows_that_point_down_are_allowed, Tree) {
  BOOST_TEST(broken_by("libcore/model/a.cpp",
                       "#include <vector>\n#include \"formats/crc.h\"\n"
                       "#include \"libcore/kernels/kernels.h\"\n#include \"libcore/model/gpt2.h\"\n"
                       "// #include \"tests/fixture.h\"\n") == "");
  BOOST_TEST(broken_by("libcore/data/a.cpp", "#include \"libcore/kernels/philox.h\"\n") == "");
  BOOST_TEST(broken_by("tools/gpt2-a/a.cpp",
                       "#include \"libcore/model/gpt2.h\"\n#include \"tools/cli/tool.h\"\n"
                       "#include \"tools/gpt2-a/options.h\"\n") == "");
  BOOST_TEST(broken_by("tests/a_test.cpp",
                       "#include \"tools/gpt2-a/options.h\"\n#include \"tests/fixture.h\"\n"
                       "#include \"libcore/kernels/gelu_cuda.h\"\n") == "");
  BOOST_TEST(
      broken_by("libcore/kernels/open_kernels.cpp",
                "#include \"libcore/kernels/gelu_cuda.h\"\n#ifdef GPT2_WITH_CUDA\n#endif\n") == "");
  BOOST_TEST(broken_by("libcore/kernels/gelu_cuda.cu",
                       "#include <cuda_runtime.h>\n#include \"libcore/kernels/gelu_cuda.h\"\n") ==
             "");
}

BOOST_FIXTURE_TEST_CASE(an_arrow_up_is_named_with_file_and_line, Tree) {
  BOOST_TEST(broken_by("formats/a.cpp", "\n#include \"libcore/text/bpe.h\"\n") ==
             "formats/a.cpp:2: formats may not include libcore, which is above it");
  BOOST_TEST(broken_by("libcore/text/a.h", "#  include \"tools/cli/tool.h\"\n") ==
             "libcore/text/a.h:1: libcore may not include tools, which is above it");
  BOOST_TEST(
      broken_by("libcore/kernels/a.cpp", "#include \"libcore/model/gpt2.h\"\n") ==
      "libcore/kernels/a.cpp:1: libcore/kernels may not include libcore/model, which is above it");
}

BOOST_FIXTURE_TEST_CASE(data_sees_random_numbers_and_nothing_else, Tree) {
  for (const auto* name : {"libcore/kernels/kernels.h", "libcore/text/bpe.h"}) {
    BOOST_TEST(broken_by("libcore/data/a.cpp", std::string("#include \"") + name + "\"\n") ==
               "libcore/data/a.cpp:1: libcore/data may include only kernels/philox.h of libcore");
  }
}

BOOST_FIXTURE_TEST_CASE(nothing_includes_tests_and_no_tool_another, Tree) {
  BOOST_TEST(broken_by("tools/gpt2-a/a.cpp", "#include \"tests/fixture.h\"\n") ==
             "tools/gpt2-a/a.cpp:1: includes tests, which nothing may");
  BOOST_TEST(broken_by("tools/gpt2-b/b.cpp", "#include \"tools/gpt2-a/options.h\"\n") ==
             "tools/gpt2-b/b.cpp:1: tools/gpt2-b may not include another tool, tools/gpt2-a");
  BOOST_TEST(broken_by("tools/cli/b.cpp", "#include \"tools/gpt2-a/options.h\"\n") ==
             "tools/cli/b.cpp:1: tools/cli may not include another tool, tools/gpt2-a");
}

BOOST_FIXTURE_TEST_CASE(includes_start_at_the_root, Tree) {
  BOOST_TEST(broken_by("libcore/text/a.cpp", "#include \"bpe.h\"\n") ==
             "libcore/text/a.cpp:1: \"bpe.h\" is no file from the root of the tree");
  BOOST_TEST(broken_by("libcore/text/a.cpp", "#include \"libcore/data/../text/bpe.h\"\n") != "");
}

BOOST_FIXTURE_TEST_CASE(a_twin_keeps_its_headers_to_itself, Tree) {
  BOOST_TEST(broken_by("libcore/model/a.cpp", "#include \"libcore/kernels/gelu_cuda.h\"\n") ==
             "libcore/model/a.cpp:1: only files of a twin and open_*.cpp may include "
             "libcore/kernels/gelu_cuda.h");
  for (const auto* name : {"cuda_runtime.h", "cublasLt.h", "nccl.h", "mpi.h", "cudnn.h"}) {
    BOOST_TEST(broken_by("libcore/kernels/open_kernels.cpp",
                         std::string("#include <") + name + ">\n") != "",
               name);
  }
  BOOST_TEST(broken_by("libcore/kernels/a.h", "#pragma once\n#if defined(GPT2_WITH_CUDA)\n") ==
             "libcore/kernels/a.h:2: a header must be the same with and without a backend");
}

BOOST_FIXTURE_TEST_CASE(a_name_stands_in_one_folder, Tree) {
  add("formats/crc.md", "");
  add("formats/crc.cpp", "");
  add("tests/formats/crc_test.cpp", "");
  BOOST_TEST(broken_rules(root).empty());
  BOOST_TEST(broken_by("libcore/text/crc.cpp", "") ==
             "libcore/text/crc.cpp:1: its name stands in formats already");
  BOOST_TEST(broken_by("tests/libcore/crc_test.cpp", "") ==
             "tests/libcore/crc_test.cpp:1: has the name of tests/formats/crc_test.cpp");
  add("tools/gpt2-a/main.cpp", "");
  BOOST_TEST(broken_by("tools/gpt2-b/main.cpp", "") == "");
}

BOOST_FIXTURE_TEST_CASE(every_folder_of_libcore_has_its_place, Tree) {
  BOOST_TEST(broken_by("libcore/misc/a.h", "").find("libcore/misc has no place") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpt2::layers
