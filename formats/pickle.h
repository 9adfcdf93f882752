// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
// A pickle read as data: nothing in it is looked up, called or run. What Python would call is kept
// as its name and arguments. Spec: formats/torch_checkpoint.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2::formats {

enum class PickleKind {
  kNone,
  kTruth,    // integer is 0 or 1
  kInteger,  // of at most 64 bits; a longer one is kOther
  kReal,
  kText,  // str
  kBytes,
  kSequence,  // list, tuple or set: its items
  kDict,      // items: key, value, key, value ...
  kName,      // text: module.name of a class or a function
  kCall,      // items: what is called, the tuple of its arguments and, if any, the state set later
  kPersistent,  // items: what the pickle's maker knows this object by
  kOther,
};

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  std::int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<std::uint32_t> items;  // their places in the pickle
};

/// All values of one pickle. A value may be an item of several others, or of itself.
class Pickle {
 public:
  /// Throws: FormatError naming `path` and the place of what is broken or not supported (protocols
  /// 0 and 1, more values than any checkpoint of a GPT-2 has).
  Pickle(std::span<const std::uint8_t> bytes, std::string_view path);
  const PickleValue& root() const { return values_[root_]; }
  /// Item `place` of a value; null if it has fewer.
  const PickleValue* item(const PickleValue& value, std::size_t place) const;
  /// The value of a dict's last key of this text; null if there is none, or `value` is no dict.
  const PickleValue* find(const PickleValue& value, std::string_view key) const;
  /// What the value is called with, if it is a call of the function or class `name`; else null.
  const PickleValue* arguments(const PickleValue& value, std::string_view name) const;
  /// The attributes of an object: the dict that its state is; null if it has none.
  const PickleValue* attributes(const PickleValue& value) const;

 private:
  friend class PickleMachine;
  std::vector<PickleValue> values_;
  std::uint32_t root_ = 0;
};

}  // namespace gpt2::formats
