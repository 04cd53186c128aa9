#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "nlohmann/json.hpp"

// The values of the flow language, owned and borrowed.

namespace ivr::flow {

using Json = nlohmann::ordered_json;

// What a variable holds. Objects and arrays are shared and never changed.
using Value =
    std::variant<std::monostate, bool, std::int64_t, double, std::string, std::shared_ptr<const Json>>;

// The same, borrowed: valid while the variable, document or scratch behind it is.
using View = std::variant<std::monostate, bool, std::int64_t, double, std::string_view, const Json*>;

View view(const Value& value) noexcept;
View view(const Json& json) noexcept;
Value own(const View& view);
Value value_of(const Json& json);

bool exists(const View& view) noexcept;  // anything but null
bool truth(const View& view) noexcept;   // null, false, 0 and "" are false
bool equal(const View& a, const View& b) noexcept;
std::optional<int> compare(const View& a, const View& b) noexcept;  // none: they have no order
bool contains(const View& in, const View& what);

// int64 or double; texts count when all of them is a number.
struct Number {
  bool integral = true;
  std::int64_t i = 0;
  double d = 0;
};
std::optional<Number> number(const View& view) noexcept;
View view(const Number& number) noexcept;

void append_text(const View& view, std::string& out);  // null is empty
void append_json(const View& view, std::string& out);
std::string text(const View& view);

}  // namespace ivr::flow
