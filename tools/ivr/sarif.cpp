#include "ivr/sarif.hpp"

#include <algorithm>
#include <map>

#include "ivr/version.hpp"
#include "nlohmann/json.hpp"

namespace {

using Json = nlohmann::ordered_json;

// Goes through JSON without building it.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // The place of what `pointer` names below the value that begins here.
  std::size_t find(std::string_view pointer) {
    skip();
    std::size_t best = at_;
    while (!pointer.empty()) {
      pointer.remove_prefix(1);  // the slash
      const std::string_view token = pointer.substr(0, pointer.find('/'));
      pointer.remove_prefix(token.size());
      if (!enter(unescaped(token))) return best;
      best = found_;
    }
    return best;
  }

 private:
  static std::string unescaped(std::string_view token) {
    std::string out;
    for (std::size_t i = 0; i < token.size(); ++i) {
      const bool tilde = token[i] == '~' && i + 1 < token.size();
      out += tilde ? (token[++i] == '1' ? '/' : '~') : token[i];
    }
    return out;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  std::string_view string() {  // with its quotes
    const std::size_t from = at_++;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    at_ = std::min(at_ + 1, text_.size());
    return text_.substr(from, at_ - from);
  }
  void value() {
    int depth = 0;
    do {
      skip();
      const char c = peek();
      if (c == '\0') return;
      if (c == '"') {
        string();
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') {
        if (depth == 0) return;
        --depth;
      }
      ++at_;
      if (depth == 0 && c != '}' && c != ']')
        while (std::string_view(",}] \t\r\n").find(peek()) == std::string_view::npos && peek() != '\0') ++at_;
    } while (depth > 0);
  }
  // From a value into its member; false: it has none of that name.
  bool enter(const std::string& name) {
    skip();
    const char open = peek();
    if (open != '{' && open != '[') return false;
    ++at_;
    for (int i = 0;; ++i) {
      skip();
      if (peek() == ',') ++at_, skip();
      if (at_ >= text_.size() || peek() == '}' || peek() == ']') return false;
      found_ = at_;
      if (open == '[') {
        if (std::to_string(i) == name) return true;
      } else {
        if (peek() != '"') return false;
        const Json key = Json::parse(string(), nullptr, false);
        skip();
        if (peek() == ':') ++at_;
        if (key.is_string() && key.get_ref<const std::string&>() == name) return true;
      }
      const std::size_t from = at_;
      value();
      if (at_ == from) return false;  // no JSON from here on
    }
  }

  std::string_view text_;
  std::size_t at_ = 0, found_ = 0;
};

Json location(const std::string& file, TextPlace place, const std::string& name, const char* kind) {
  return {{"physicalLocation",
           {{"artifactLocation", {{"uri", file}}},
            {"region", {{"startLine", place.line}, {"startColumn", place.column}}}}},
          {"logicalLocations", Json::array({{{"fullyQualifiedName", name}, {"kind", kind}}})}};
}

}  // namespace

TextPlace place_of(std::string_view text, std::string_view pointer) {
  const std::string_view before = text.substr(0, Scanner(text).find(pointer));
  const std::size_t line = before.rfind('\n') + 1;  // 0 when there is none
  const auto first = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  return {1 + static_cast<int>(std::count(before.begin(), before.end(), '\n')),
          1 + static_cast<int>(
                  std::count_if(before.begin() + static_cast<std::ptrdiff_t>(line), before.end(), first))};
}

void SarifLog::add(const std::string& file, std::string_view text,
                   const std::vector<ivr::Finding>& findings) {
  files_.push_back({file, std::string(text), findings});
}

std::string SarifLog::text() const {
  Json rules = Json::array(), results = Json::array();
  std::map<std::string, std::size_t> rule_of;
  for (const File& file : files_) {
    for (const ivr::Finding& f : file.findings) {
      const auto [rule, added] = rule_of.emplace(f.rule, rules.size());
      if (added) rules.push_back({{"id", f.rule}});
      Json result = {
          {"ruleId", f.rule},
          {"ruleIndex", rule->second},
          {"level", f.severity == ivr::Severity::error ? "error" : "warning"},
          {"message", {{"text", f.message + (f.mend.empty() ? "" : "; " + f.mend)}}},
          {"locations",
           Json::array({location(file.name, place_of(file.text, f.pointer), f.pointer, "object")})}};
      Json steps = Json::array();
      for (const ivr::FlowStep& step : f.call) {
        const std::string pointer = "/nodes/" + step.node;
        Json at = {{"location", location(file.name, place_of(file.text, pointer), pointer, "object")}};
        at["location"]["message"] = {
            {"text", step.exit.empty() ? step.node : step.node + " by exit " + step.exit}};
        steps.push_back(std::move(at));
      }
      if (!steps.empty())
        result["codeFlows"] =
            Json::array({{{"threadFlows", Json::array({{{"locations", std::move(steps)}}})}}});
      results.push_back(std::move(result));
    }
  }
  const Json log = {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                    {"version", "2.1.0"},
                    {"runs", Json::array({{{"tool",
                                            {{"driver",
                                              {{"name", "ivr check"},
                                               {"version", std::string(ivr::version())},
                                               {"rules", std::move(rules)}}}}},
                                           {"columnKind", "unicodeCodePoints"},
                                           {"results", std::move(results)}}})}};
  return log.dump(2, ' ', false, Json::error_handler_t::replace);
}
