#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/flow_expression.hpp"

// Texts with variables in them, and how values are written into what surrounds them. Compiled once; rendering
// cannot fail.

namespace ivr::flow {

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
  // Characters of its own (UTF-8), and values that are put in.
  std::pair<std::size_t, std::size_t> extent() const;
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
