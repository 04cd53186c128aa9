#pragma once
#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace ivr {

// Appends JSON to a string, commas and escapes included. It does not check the order of calls.
// For what is written often and must be the same bytes every time; everything else uses nlohmann/json.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& open(char bracket) {  // '{' or '['
    separate();
    out_.push_back(bracket);
    first_ = true;
    return *this;
  }
  JsonWriter& close(char bracket) {
    out_.push_back(bracket);
    first_ = false;
    return *this;
  }
  JsonWriter& key(std::string_view name) {
    separate();
    quote(name);
    out_.push_back(':');
    first_ = true;
    return *this;
  }
  JsonWriter& value(std::string_view text) {
    separate();
    quote(text);
    return *this;
  }
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  template <std::same_as<bool> B>
  JsonWriter& value(B yes) {
    return raw(yes ? "true" : "false");
  }
  template <std::integral I>
  requires(!std::same_as<I, bool> && !std::same_as<I, char>) JsonWriter& value(I number) {
    char buffer[24];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
    return raw({buffer, static_cast<std::size_t>(end - buffer)});
  }
  JsonWriter& raw(std::string_view json) {
    separate();
    out_.append(json);
    return *this;
  }
  template <class T>
  JsonWriter& field(std::string_view name, const T& v) {
    key(name);
    return value(v);
  }

 private:
  void separate() {
    if (!first_) out_.push_back(',');
    first_ = false;
  }
  void quote(std::string_view text) {
    static constexpr char kHex[] = "0123456789abcdef";
    out_.push_back('"');
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      const auto byte = static_cast<unsigned char>(c);
      if (byte >= 0x80) {  // what is not UTF-8 would spoil the line for every reader
        const std::size_t length = utf8_length(text.substr(i));
        out_.append(length == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(i, length));
        i += length == 0 ? 0 : length - 1;
        continue;
      }
      if (c == '"' || c == '\\') {
        out_.push_back('\\');
        out_.push_back(c);
      } else if (byte < 0x20) {
        out_.append("\\u00");
        out_.push_back(kHex[byte >> 4]);
        out_.push_back(kHex[byte & 15]);
      } else {
        out_.push_back(c);
      }
    }
    out_.push_back('"');
  }

  // Bytes of the well-formed sequence at the start of `text` (RFC 3629), or 0.
  static std::size_t utf8_length(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = at(0);
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
      if ((at(i) & 0xC0) != 0x80) return 0;
    }
    if ((lead == 0xE0 && at(1) < 0xA0) || (lead == 0xED && at(1) > 0x9F) || (lead == 0xF0 && at(1) < 0x90) ||
        (lead == 0xF4 && at(1) > 0x8F)) {
      return 0;  // overlong, surrogate or beyond U+10FFFF
    }
    return length;
  }

  std::string& out_;
  bool first_ = true;
};

}  // namespace ivr
