// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Every test program's main: Boost.Test's own, with exit 77 (skipped) when a case asked for it
// alone.
#define BOOST_TEST_MODULE gpt2_tools
#include <boost/test/unit_test.hpp>
