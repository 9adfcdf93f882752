// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The gpt2-tools authors
#include "formats/pickle.h"

#include <fmt/format.h>

#include <bit>
#include <unordered_map>
#include <utility>

#include "formats/byte_codec.h"
#include "formats/errors.h"

namespace gpt2::formats {
namespace {

/// A checkpoint of the largest GPT-2 with the moments of its optimizer has some 50,000.
constexpr std::size_t kMostValues = std::size_t{1} << 20;

}  // namespace

/// The stack machine that a pickle is a program for. Its instructions are those of pickletools.py
/// from protocol 2 to 5, but for out-of-band buffers and the extension registry.
class PickleMachine {
 public:
  PickleMachine(Pickle& pickle, std::span<const std::uint8_t> bytes, std::string_view path)
      : pickle_(pickle), bytes_(bytes), path_(path) {}

  void run() {
    while (step()) {
    }
    if (stack_.size() != 1 || !marks_.empty()) refuse("leaves more than one value");
    pickle_.root_ = stack_.back();
  }

 private:
  using Place = std::uint32_t;

  [[noreturn]] void refuse(std::string_view problem) const {
    throw FormatError(path_, instruction_, "pickle", problem);
  }

  // The program.
  std::span<const std::uint8_t> take(std::uint64_t count) {
    if (count > bytes_.size() - offset_) refuse("is cut");
    const auto taken = bytes_.subspan(offset_, count);
    offset_ += count;
    return taken;
  }
  std::uint64_t number(std::size_t width) {
    const auto bytes = take(width);
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | bytes[i];
    return value;
  }
  std::string text(std::uint64_t count) {
    const auto bytes = take(count);
    return {bytes.begin(), bytes.end()};
  }
  std::string line() {
    std::string text;
    for (char c; (c = static_cast<char>(take(1)[0])) != '\n';) text += c;
    return text;
  }

  // The stack.
  Place add(PickleValue value) {
    if (pickle_.values_.size() == kMostValues) {
      refuse(fmt::format("holds more than {} values", kMostValues));
    }
    pickle_.values_.push_back(std::move(value));
    return static_cast<Place>(pickle_.values_.size() - 1);
  }
  void push(PickleValue value) { stack_.push_back(add(std::move(value))); }
  void push(PickleKind kind, std::string text) { push({.kind = kind, .text = std::move(text)}); }
  void push_integer(PickleKind kind, std::int64_t value) { push({.kind = kind, .integer = value}); }
  Place pop() {
    const std::size_t bottom = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() <= bottom) refuse("takes a value where there is none");
    const Place place = stack_.back();
    stack_.pop_back();
    return place;
  }
  /// The last `count` values, off the stack, in their order.
  std::vector<Place> pop(std::size_t count) {
    std::vector<Place> places(count);
    for (std::size_t i = count; i-- > 0;) places[i] = pop();
    return places;
  }
  std::vector<Place> pop_to_mark() {
    if (marks_.empty()) refuse("has no mark to go back to");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Place> places(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return places;
  }
  PickleValue& value(Place place) { return pickle_.values_[place]; }
  PickleValue& top() {
    const Place place = pop();
    stack_.push_back(place);
    return value(place);
  }
  void extend(std::vector<Place> items) {  // the container that is on top now
    auto& container = top();
    if (container.kind == PickleKind::kCall)
      return;  // a class of its own: what it keeps is its own
    if (container.kind != PickleKind::kSequence && container.kind != PickleKind::kDict) {
      refuse("adds to a value that holds none");
    }
    if (container.kind == PickleKind::kDict && items.size() % 2 != 0) {
      refuse("adds a key without a value");
    }
    container.items.insert(container.items.end(), items.begin(), items.end());
  }
  void push_container(PickleKind kind, std::vector<Place> items) {
    if (kind == PickleKind::kDict && items.size() % 2 != 0) refuse("has a key without a value");
    push({.kind = kind, .items = std::move(items)});
  }
  void push_name(const std::string& module, const std::string& name) {
    push(PickleKind::kName, module + "." + name);
  }
  /// An OrderedDict of nothing is a dict to be filled; all else that is called is kept as it is.
  void push_call(Place callee, Place arguments) {
    if (value(callee).text == "collections.OrderedDict" && value(arguments).items.empty()) {
      push({.kind = PickleKind::kDict});
      return;
    }
    push_container(PickleKind::kCall, {callee, arguments});
  }
  void set_state() {
    const Place state = pop();
    auto& object = top();
    if (object.kind == PickleKind::kCall && object.items.size() == 2) object.items.push_back(state);
  }
  void remember(std::uint64_t key) {
    const Place place = pop();
    stack_.push_back(place);
    memo_[key] = place;
  }
  void recall(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) refuse(fmt::format("recalls {}, which was not kept", key));
    stack_.push_back(found->second);
  }
  void push_long(std::uint64_t count) {
    const auto bytes = take(count);
    if (count > 8) return push({.kind = PickleKind::kOther});
    std::uint64_t bits = count > 0 && bytes.back() >= 0x80 ? ~std::uint64_t{0} : 0;  // the sign
    for (std::size_t i = count; i-- > 0;) bits = bits << 8 | bytes[i];
    push_integer(PickleKind::kInteger, static_cast<std::int64_t>(bits));
  }

  /// One instruction; false after the last.
  bool step();

  Pickle& pickle_;
  std::span<const std::uint8_t> bytes_;
  std::string_view path_;
  std::uint64_t offset_ = 0, instruction_ = 0;
  std::vector<Place> stack_;
  std::vector<std::size_t> marks_;  // heights of the stack
  std::unordered_map<std::uint64_t, Place> memo_;
};

bool PickleMachine::step() {
  instruction_ = offset_;
  const std::uint8_t code = take(1)[0];
  switch (code) {
    case 0x80:  // PROTO
      if (const auto protocol = number(1); protocol < 2 || protocol > 5) {
        refuse(fmt::format("is of protocol {}, this build reads 2 to 5", protocol));
      }
      break;
    case 0x95:  // FRAME
      number(8);
      break;
    case '.':  // STOP
      return false;

    case '(':  // MARK
      marks_.push_back(stack_.size());
      break;
    case '0':  // POP
      if (!marks_.empty() && marks_.back() == stack_.size()) {
        marks_.pop_back();
      } else {
        pop();
      }
      break;
    case '1':  // POP_MARK
      pop_to_mark();
      break;
    case '2': {  // DUP
      const Place place = pop();
      stack_.insert(stack_.end(), 2, place);
      break;
    }

    case 'N':  // NONE
      push({});
      break;
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      push_integer(PickleKind::kTruth, code == 0x88);
      break;
    case 'J':  // BININT
      push_integer(PickleKind::kInteger, static_cast<std::int32_t>(number(4)));
      break;
    case 'K':  // BININT1
      push_integer(PickleKind::kInteger, static_cast<std::int64_t>(number(1)));
      break;
    case 'M':  // BININT2
      push_integer(PickleKind::kInteger, static_cast<std::int64_t>(number(2)));
      break;
    case 0x8A:  // LONG1
      push_long(number(1));
      break;
    case 0x8B:  // LONG4
      push_long(number(4));
      break;
    case 'G': {  // BINFLOAT, the one number with its highest byte first
      std::uint64_t bits = 0;
      for (const auto byte : take(8)) bits = bits << 8 | byte;
      push({.kind = PickleKind::kReal, .real = std::bit_cast<double>(bits)});
      break;
    }

    case 0x8C:  // SHORT_BINUNICODE
    case 'X':   // BINUNICODE
    case 0x8D:  // BINUNICODE8
      push(PickleKind::kText, text(number(code == 0x8C ? 1 : code == 'X' ? 4 : 8)));
      break;
    case 'U':  // SHORT_BINSTRING
    case 'T':  // BINSTRING, a str of Python 2
      push(PickleKind::kText, text(number(code == 'U' ? 1 : 4)));
      break;
    case 'C':   // SHORT_BINBYTES
    case 'B':   // BINBYTES
    case 0x8E:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      push(PickleKind::kBytes, text(number(code == 'C' ? 1 : code == 'B' ? 4 : 8)));
      break;

    case ']':   // EMPTY_LIST
    case ')':   // EMPTY_TUPLE
    case 0x8F:  // EMPTY_SET
      push({.kind = PickleKind::kSequence});
      break;
    case '}':  // EMPTY_DICT
      push({.kind = PickleKind::kDict});
      break;
    case 'l':   // LIST
    case 't':   // TUPLE
    case 0x91:  // FROZENSET
      push_container(PickleKind::kSequence, pop_to_mark());
      break;
    case 'd':  // DICT
      push_container(PickleKind::kDict, pop_to_mark());
      break;
    case 0x85:  // TUPLE1
    case 0x86:  // TUPLE2
    case 0x87:  // TUPLE3
      push_container(PickleKind::kSequence, pop(code - 0x84U));
      break;
    case 'a':  // APPEND
      extend(pop(1));
      break;
    case 's':  // SETITEM
      extend(pop(2));
      break;
    case 'e':   // APPENDS
    case 'u':   // SETITEMS
    case 0x90:  // ADDITEMS
      extend(pop_to_mark());
      break;

    case 'q':  // BINPUT
      remember(number(1));
      break;
    case 'r':  // LONG_BINPUT
      remember(number(4));
      break;
    case 0x94:  // MEMOIZE
      remember(memo_.size());
      break;
    case 'h':  // BINGET
      recall(number(1));
      break;
    case 'j':  // LONG_BINGET
      recall(number(4));
      break;

    case 'c': {  // GLOBAL
      const auto module = line();
      push_name(module, line());
      break;
    }
    case 0x93: {  // STACK_GLOBAL
      const auto parts = pop(2);
      push_name(value(parts[0]).text, value(parts[1]).text);
      break;
    }
    case 'R':     // REDUCE
    case 0x81: {  // NEWOBJ
      const auto parts = pop(2);
      push_call(parts[0], parts[1]);
      break;
    }
    case 0x92: {  // NEWOBJ_EX, with arguments by name, which no tensor has
      const auto parts = pop(3);
      push_call(parts[0], parts[1]);
      break;
    }
    case 'b':  // BUILD
      set_state();
      break;
    case 'Q':  // BINPERSID
      push_container(PickleKind::kPersistent, pop(1));
      break;

    default:
      refuse(fmt::format("holds instruction {:#04x}, which this build does not read", code));
  }
  return true;
}

Pickle::Pickle(std::span<const std::uint8_t> bytes, std::string_view path) {
  PickleMachine(*this, bytes, path).run();
}

const PickleValue* Pickle::item(const PickleValue& value, std::size_t place) const {
  return place < value.items.size() ? &values_[value.items[place]] : nullptr;
}

const PickleValue* Pickle::find(const PickleValue& value, std::string_view key) const {
  if (value.kind != PickleKind::kDict) return nullptr;
  for (std::size_t i = value.items.size(); i >= 2; i -= 2) {
    const auto& candidate = values_[value.items[i - 2]];
    if (candidate.kind == PickleKind::kText && candidate.text == key) {
      return &values_[value.items[i - 1]];
    }
  }
  return nullptr;
}

const PickleValue* Pickle::arguments(const PickleValue& value, std::string_view name) const {
  if (value.kind != PickleKind::kCall) return nullptr;
  const auto& callee = values_[value.items[0]];
  if (callee.kind != PickleKind::kName || callee.text != name) return nullptr;
  return &values_[value.items[1]];
}

const PickleValue* Pickle::attributes(const PickleValue& value) const {
  if (value.kind != PickleKind::kCall || value.items.size() < 3) return nullptr;
  const auto& state = values_[value.items[2]];
  return state.kind == PickleKind::kDict ? &state : nullptr;
}

}  // namespace gpt2::formats
