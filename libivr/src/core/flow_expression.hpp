#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/flow_names.hpp"

// Conditions and calculations. Compiled once; evaluating is total: what has no meaning (a text divided by a
// number, a missing key) is null, and null is false.

namespace ivr::flow {

// A variable that an expression reads; `guarded` reads mind that it may be unset (exists, default), `parted`
// ones show some of it only (last).
struct Read {
  int slot = -1;
  bool guarded = false, parted = false;
  const std::vector<std::string>* rest = nullptr;  // the part of it that is read; of the expression
};

class Expression {
 public:
  enum class Op : std::uint8_t {
    literal,
    path,
    not_,
    and_,
    or_,
    equals,
    not_equals,
    less,
    less_equal,
    greater,
    greater_equal,
    contains,
    not_contains,
    exists,
    not_exists,
    add,
    subtract,
    multiply,
    divide,
    modulo,
    negate,
    length,
    upper,
    lower,
    round,
    floor,
    ceil,
    abs,
    min,
    max,
    as_number,
    as_text,
  };
  struct Node {
    Op op = Op::literal;
    int a = -1, b = -1;
    Value literal;
    Path path;
  };

  // The short form: "amount > 100 and language == 'ar'".
  static absl::StatusOr<Expression> parse(std::string_view text, Names& names);
  // The structured form {"variable", "operator", "value"} with all/any/not, or the short form as a string.
  static absl::StatusOr<Expression> parse(const Json& json, Names& names, std::string& where);
  static absl::StatusOr<Expression> comparison(Path path, std::string_view op, const Json* value);
  // The short form at the beginning of a text; `used` are its characters.
  static absl::StatusOr<Expression> parse_part(std::string_view text, Names& names, std::size_t& used);
  static Expression constant(Value value);

  View eval(Reader& reader) const { return eval(root_, reader); }
  bool test(Reader& reader) const { return truth(eval(root_, reader)); }

  void reads(std::vector<Read>& out) const { reads(root_, false, out); }
  void calendars(std::vector<std::string>& out) const;
  const Node& root() const { return nodes_[static_cast<std::size_t>(root_)]; }
  const Node& node(int i) const { return nodes_[static_cast<std::size_t>(i)]; }
  bool is_constant() const;

 private:
  friend class ExpressionParser;
  View eval(int at, Reader& reader) const;
  void reads(int at, bool guarded, std::vector<Read>& out) const;
  int add(Node node) {
    nodes_.push_back(std::move(node));
    return static_cast<int>(nodes_.size()) - 1;
  }
  int append(const Expression& other);

  std::vector<Node> nodes_;
  int root_ = -1;
};

// What is a function in expressions and a filter in templates. Null stays null.
View rounded(const View& value, const View& places);
View cased(const View& value, bool up, Reader& reader);
View length_of(const View& value);  // characters of a text (UTF-8), entries of a list

}  // namespace ivr::flow
