#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/flow_names.hpp"

// Conditions, calculations and texts with variables in them. Compiled once; evaluating is total: what has no
// meaning (a text divided by a number, a missing key) is null, and null is false.

namespace ivr::flow {

// A variable that an expression reads; `guarded` reads mind that it may be unset (exists, default).
struct Read {
  int slot = -1;
  bool guarded = false;
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

// How a value is written into its surroundings.
enum class Escape : std::uint8_t {
  none,
  url,     // percent-encoded, except what stands at the very start (the base address)
  json,    // as the inside of a JSON string
  header,  // control characters fall out
  uri,     // SIP URI: control characters, spaces, <, > and " fall out
};

// "Dear {{name | default: 'customer'}}, you owe {{amount}}."
class Template {
 public:
  enum class Filter : std::uint8_t {
    default_,
    upper,
    lower,
    trim,
    round,
    first,
    last,
    length,
    url,
    json,
    raw,
    number,
    text,
  };
  struct FilterCall {
    Filter filter = Filter::raw;
    Value argument;
  };

  static absl::StatusOr<Template> parse(std::string_view text, Names& names);

  void render(Reader& reader, Escape escape, std::string& out) const;
  // The value itself when the template is one expression and nothing else: numbers stay numbers.
  View value(Reader& reader) const;

  bool empty() const { return parts_.empty(); }
  bool is_literal() const;             // no variable in it
  const std::string& literal() const;  // of a literal template
  void reads(std::vector<Read>& out) const;
  void calendars(std::vector<std::string>& out) const;
  bool speaks() const;  // has a letter or a digit of its own

  // "round: 2" and the like, for values that come from elsewhere.
  static absl::StatusOr<FilterCall> parse_filter(std::string_view text);
  static View apply(const std::vector<FilterCall>& filters, View value, Reader& reader);

 private:
  struct Part {
    std::string literal;  // used when there is no expression
    bool computed = false;
    Expression expression;
    std::vector<FilterCall> filters;
  };
  static View apply(const std::vector<FilterCall>& filters, View value, Reader& reader, bool& raw);
  static View eval(const Part& part, Reader& reader, bool& raw);
  std::vector<Part> parts_;
};

void append_escaped(std::string_view text, Escape escape, std::string& out);

}  // namespace ivr::flow
