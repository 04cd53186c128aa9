#include "core/flow_value.hpp"

#include <charconv>
#include <cmath>

namespace ivr::flow {

View view(const Value& value) noexcept {
  switch (value.index()) {
    case 1: return std::get<1>(value);
    case 2: return std::get<2>(value);
    case 3: return std::get<3>(value);
    case 4: return std::string_view(std::get<4>(value));
    case 5: return std::get<5>(value) ? view(*std::get<5>(value)) : View{};
  }
  return {};
}

View view(const Json& json) noexcept {
  switch (json.type()) {
    case Json::value_t::boolean: return *json.get_ptr<const bool*>();
    case Json::value_t::number_integer: return *json.get_ptr<const std::int64_t*>();
    case Json::value_t::number_unsigned: {
      const std::uint64_t u = *json.get_ptr<const std::uint64_t*>();
      if (u > static_cast<std::uint64_t>(INT64_MAX)) return static_cast<double>(u);
      return static_cast<std::int64_t>(u);
    }
    case Json::value_t::number_float: return *json.get_ptr<const double*>();
    case Json::value_t::string: return std::string_view(*json.get_ptr<const std::string*>());
    case Json::value_t::object:
    case Json::value_t::array: return &json;
    case Json::value_t::null:
    case Json::value_t::binary:
    case Json::value_t::discarded: break;
  }
  return {};
}

Value own(const View& view) {
  switch (view.index()) {
    case 1: return std::get<1>(view);
    case 2: return std::get<2>(view);
    case 3: return std::get<3>(view);
    case 4: return std::string(std::get<4>(view));
    case 5: return std::make_shared<const Json>(*std::get<5>(view));
  }
  return {};
}

Value value_of(const Json& json) { return own(view(json)); }

bool exists(const View& view) noexcept { return view.index() != 0; }

bool truth(const View& view) noexcept {
  switch (view.index()) {
    case 1: return std::get<1>(view);
    case 2: return std::get<2>(view) != 0;
    case 3: return std::get<3>(view) != 0;
    case 4: return !std::get<4>(view).empty();
    case 5: return true;
  }
  return false;
}

std::optional<Number> number(const View& view) noexcept {
  if (const auto* i = std::get_if<std::int64_t>(&view)) return Number{true, *i, static_cast<double>(*i)};
  if (const auto* d = std::get_if<double>(&view)) return Number{false, 0, *d};
  if (const auto* s = std::get_if<std::string_view>(&view)) {
    if (s->empty() || s->size() > 64) return {};
    Number n;
    const char* end = s->data() + s->size();
    if (const auto r = std::from_chars(s->data(), end, n.i); r.ec == std::errc{} && r.ptr == end) {
      n.d = static_cast<double>(n.i);
      return n;
    }
    n.integral = false;
    if (const auto r = std::from_chars(s->data(), end, n.d);
        r.ec == std::errc{} && r.ptr == end && std::isfinite(n.d)) {
      return n;
    }
  }
  return {};
}

View view(const Number& number) noexcept {
  if (number.integral) return number.i;
  if (!std::isfinite(number.d)) return {};
  return number.d;
}

namespace {

bool is_number(const View& v) noexcept { return v.index() == 2 || v.index() == 3; }

int order(const Number& a, const Number& b) noexcept {
  if (a.integral && b.integral) return a.i < b.i ? -1 : a.i > b.i;
  return a.d < b.d ? -1 : a.d > b.d;
}

}  // namespace

bool equal(const View& a, const View& b) noexcept {
  if (a.index() == 0 || b.index() == 0) return a.index() == b.index();
  // Digits that a caller pressed are text: 5 == "5", but "007" and "7" stay two different texts.
  if (is_number(a) || is_number(b)) {
    const auto x = number(a), y = number(b);
    return x && y && order(*x, *y) == 0;
  }
  if (a.index() == 4 && b.index() == 4) return std::get<4>(a) == std::get<4>(b);
  if (a.index() == 1 && b.index() == 1) return std::get<1>(a) == std::get<1>(b);
  if (a.index() == 1 && b.index() == 4) return std::get<4>(b) == (std::get<1>(a) ? "true" : "false");
  if (a.index() == 4 && b.index() == 1) return equal(b, a);
  if (a.index() == 5 && b.index() == 5) return *std::get<5>(a) == *std::get<5>(b);
  return false;
}

std::optional<int> compare(const View& a, const View& b) noexcept {
  if (const auto x = number(a), y = number(b); x && y) return order(*x, *y);
  if (a.index() == 4 && b.index() == 4) {
    const int c = std::get<4>(a).compare(std::get<4>(b));
    return c < 0 ? -1 : c > 0;
  }
  return {};
}

bool contains(const View& in, const View& what) {
  if (!exists(what)) return false;
  if (const auto* j = std::get_if<const Json*>(&in)) {
    if ((*j)->is_object()) {
      const auto* s = std::get_if<std::string_view>(&what);
      return s && (*j)->find(std::string(*s)) != (*j)->end();
    }
    for (const Json& item : **j) {
      if (equal(view(item), what)) return true;
    }
    return false;
  }
  if (!exists(in)) return false;
  if (in.index() == 4 && what.index() == 4)
    return std::get<4>(in).find(std::get<4>(what)) != std::string_view::npos;
  return text(in).find(text(what)) != std::string::npos;
}

namespace {

template <class T>
void append_chars(T value, std::string& out) {
  char buffer[32];
  const auto r = std::to_chars(buffer, buffer + sizeof buffer, value);
  out.append(buffer, r.ptr);
}

}  // namespace

void append_text(const View& view, std::string& out) {
  switch (view.index()) {
    case 1: out += std::get<1>(view) ? "true" : "false"; break;
    case 2: append_chars(std::get<2>(view), out); break;
    case 3: append_chars(std::get<3>(view), out); break;
    case 4: out += std::get<4>(view); break;
    case 5: out += std::get<5>(view)->dump(-1, ' ', false, Json::error_handler_t::replace); break;
  }
}

void append_json(const View& view, std::string& out) {
  switch (view.index()) {
    case 0: out += "null"; break;
    case 4: {
      const std::string_view s = std::get<4>(view);
      bool plain = true;
      for (const char c : s) plain = plain && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
      if (plain) {
        out += '"';
        out += s;
        out += '"';
      } else {
        out += Json(std::string(s)).dump(-1, ' ', false, Json::error_handler_t::replace);
      }
      break;
    }
    default: append_text(view, out);
  }
}

std::string text(const View& view) {
  std::string out;
  append_text(view, out);
  return out;
}

}  // namespace ivr::flow
