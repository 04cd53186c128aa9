#include "core/flow_json.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace ivr::flow {

namespace {

constexpr std::size_t kMaxBytes = 4u << 20;
constexpr std::size_t kMaxDepth = 64;

// Builds the document event by event: nlohmann's own builder keeps the last of two equal keys and tells
// nobody.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view text, std::vector<Finding>& findings) : text_(text), findings_(findings) {}

  Json root;

  bool null() override { return put(nullptr) != nullptr; }
  bool boolean(bool v) override { return put(v) != nullptr; }
  bool number_integer(number_integer_t v) override { return put(v) != nullptr; }
  bool number_unsigned(number_unsigned_t v) override { return put(v) != nullptr; }
  bool number_float(number_float_t v, const string_t&) override { return put(v) != nullptr; }
  bool string(string_t& v) override { return put(std::move(v)) != nullptr; }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& v) override {
    Level& top = levels_.back();
    top.key = v;
    // Thousands of keys in one object would make this quadratic; a set beside it keeps it flat.
    top.twice = !top.keys.insert(v).second;
    if (top.twice) {
      findings_.push_back({"duplicate-key", Severity::error, pointer_to(top.pointer, v),
                           "the key '" + v + "' is here twice", "remove one of the two, or rename it"});
    }
    return true;
  }
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception& ex) override {
    std::size_t line = 1, column = 1;
    for (std::size_t i = 0; i + 1 < std::min(position, text_.size() + 1); ++i) {
      text_[i] == '\n' ? (++line, column = 1) : ++column;
    }
    std::string what = ex.what();
    if (const std::size_t colon = what.find(": "); colon != std::string::npos) what = what.substr(colon + 2);
    if (token.size() <= column && token.find('\n') == std::string::npos)
      column -= token.empty() ? 0 : token.size() - 1;
    findings_.push_back({"parse", Severity::error, "",
                         "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + what,
                         "mend the JSON there: a comma, a quote or a bracket is often missing just before"});
    return false;
  }

 private:
  struct Level {
    Json* at = nullptr;
    std::string pointer, key;
    absl::flat_hash_set<std::string> keys;
    bool twice = false;
  };

  Json* put(Json value) {
    if (levels_.empty()) {
      root = std::move(value);
      return &root;
    }
    Level& top = levels_.back();
    if (top.at->is_array()) {
      top.at->push_back(std::move(value));
      return &top.at->back();
    }
    if (top.twice) {
      ignored_.push_back(std::make_unique<Json>(std::move(value)));
      return ignored_.back().get();
    }
    auto& object = top.at->get_ref<Json::object_t&>();
    // Appended without ordered_map's search for the key: that it is new is known.
    object.Container::emplace_back(top.key, std::move(value));
    return &object.back().second;
  }
  bool open(Json empty) {
    if (levels_.size() >= kMaxDepth) {
      findings_.push_back({"too-deep", Severity::error, levels_.back().pointer,
                           "nested deeper than 64 levels", "flatten the document"});
      return false;
    }
    std::string pointer;
    if (!levels_.empty()) {
      const Level& top = levels_.back();
      pointer = pointer_to(top.pointer, top.at->is_array() ? std::to_string(top.at->size()) : top.key);
    }
    Json* at = put(std::move(empty));
    levels_.push_back({at, std::move(pointer), {}, {}, false});
    return true;
  }
  bool close() {
    levels_.pop_back();
    return true;
  }

  std::string_view text_;
  std::vector<Finding>& findings_;
  std::vector<Level> levels_;
  std::vector<std::unique_ptr<Json>> ignored_;
};

nlohmann::json sorted(const Json& json) {
  if (json.is_object()) {
    nlohmann::json out = nlohmann::json::object();
    for (const auto& [key, value] : json.items()) out[key] = sorted(value);
    return out;
  }
  if (json.is_array()) {
    nlohmann::json out = nlohmann::json::array();
    for (const Json& value : json) out.push_back(sorted(value));
    return out;
  }
  return nlohmann::json(json);
}

}  // namespace

std::string pointer_to(std::string_view base, std::string_view key) {
  std::string out(base);
  out += '/';
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

Json parse_document(std::string_view text, std::vector<Finding>& findings) {
  if (text.size() > kMaxBytes) {
    findings.push_back({"too-large", Severity::error, "",
                        "the document has " + std::to_string(text.size()) + " bytes, at most 4194304",
                        "split it into several flows"});
    return nullptr;
  }
  Builder builder(text, findings);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) return nullptr;
  return std::move(builder.root);
}

std::string canonical(const Json& json) {
  return sorted(json).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace ivr::flow
