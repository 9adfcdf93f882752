// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// Text that is shown while it grows: tokens may end inside a character, readers must not see half
// of one.
#pragma once

#include <string>
#include <string_view>

namespace gpt2::sample {

/// Takes the bytes of one token after the other and gives what can be shown by now: a character
/// whose last bytes may still come is held back. Without escaping, all that is given, joined, is
/// what was taken.
class TextStream {
 public:
  /// `escape`: control characters but newline and tab, and bytes that are not UTF-8, become \x and
  /// two digits, so that no text can steer a terminal.
  explicit TextStream(bool escape) : escape_(escape) {}
  std::string append(std::string_view bytes);
  /// What was held back at the end of the text.
  std::string finish();

 private:
  std::string held_;
  bool escape_;
};

}  // namespace gpt2::sample
