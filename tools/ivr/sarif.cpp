#include "ivr/sarif.hpp"

#include <cstddef>
#include <iterator>
#include <map>

#include "ivr/version.hpp"
#include "nlohmann/json.hpp"

namespace {

using Json = nlohmann::ordered_json;

// Goes through a text, and says how far somebody else has read it.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(std::string_view text, std::size_t at, std::size_t* read)
      : text_(text), at_(at), read_(read) {}
  reference operator*() const { return text_[at_]; }
  CountingIterator& operator++() {
    *read_ = ++at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) { return a.at_ == b.at_; }
  friend bool operator!=(const CountingIterator& a, const CountingIterator& b) { return a.at_ != b.at_; }

 private:
  std::string_view text_;
  std::size_t at_;
  std::size_t* read_;
};

std::string unescaped(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const bool tilde = token[i] == '~' && i + 1 < token.size();
    out += tilde ? (token[++i] == '1' ? '/' : '~') : token[i];
  }
  return out;
}

}  // namespace

// What is looked for is a tree of the steps of all pointers; the parser's events walk it.
class TextPlaces::Finder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Finder(std::string_view text, TextPlaces& out) : text_(text), out_(out) {}

  void find() {
    CountingIterator begin(text_, 0, &read_), end(text_, text_.size(), &read_);
    nlohmann::json::sax_parse(begin, end, this);
  }

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool string(string_t&) override { return value(); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(false); }
  bool start_array(std::size_t) override { return open(true); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    Level& top = levels_.back();
    top.member = out_.step(top.at, name);
    meet(top.member);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  struct Level {
    int at = -1, member = -1;  // steps of the tree; -1: nobody asks
    bool list = false;
    std::size_t index = 0;
  };

  // Where the token that was read last begins; what lies between it and the one before is passed here.
  std::size_t begin() {
    while (passed_ < text_.size() &&
           std::string_view(" \t\r\n,:").find(text_[passed_]) != std::string_view::npos)
      ++passed_;
    return passed_;
  }
  void meet(int step) {
    const std::size_t at = begin();
    passed_ = read_;
    if (step < 0 || out_.steps_[static_cast<std::size_t>(step)].met) return;
    for (; counted_ < at; ++counted_) {
      const bool first = (static_cast<unsigned char>(text_[counted_]) & 0xC0) != 0x80;
      text_[counted_] == '\n' ? (++place_.line, place_.column = 1) : place_.column += first ? 1 : 0;
    }
    out_.steps_[static_cast<std::size_t>(step)].met = true;
    out_.steps_[static_cast<std::size_t>(step)].place = place_;
  }
  // The step of the value that comes: a key has said where it is, an entry of a list has none.
  int next() {
    if (levels_.empty()) return 0;
    Level& top = levels_.back();
    return top.list ? out_.step(top.at, std::to_string(top.index++)) : top.member;
  }
  bool value() {
    meet(next());
    return true;
  }
  bool open(bool list) {
    const int at = next();
    meet(at);
    levels_.push_back({at, -1, list, 0});
    return true;
  }
  bool close() {
    levels_.pop_back();
    passed_ = read_;
    return true;
  }

  std::string_view text_;
  TextPlaces& out_;
  std::size_t read_ = 0, passed_ = 0, counted_ = 0;
  TextPlace place_;
  std::vector<Level> levels_;
};

namespace {

Json location(const std::string& file, TextPlace place, const std::string& name, const char* kind) {
  return {{"physicalLocation",
           {{"artifactLocation", {{"uri", file}}},
            {"region", {{"startLine", place.line}, {"startColumn", place.column}}}}},
          {"logicalLocations", Json::array({{{"fullyQualifiedName", name}, {"kind", kind}}})}};
}

}  // namespace

TextPlaces::TextPlaces(std::string_view text, const std::vector<std::string>& pointers) : steps_(1) {
  for (std::string_view pointer : pointers) {
    for (int at = 0; !pointer.empty();) {
      pointer.remove_prefix(1);  // the slash
      const std::string_view token = pointer.substr(0, pointer.find('/'));
      pointer.remove_prefix(token.size());
      const auto [step, added] = steps_[static_cast<std::size_t>(at)].then.emplace(
          unescaped(token), static_cast<int>(steps_.size()));
      at = step->second;
      if (added) steps_.emplace_back();
    }
  }
  Finder(text, *this).find();
}

int TextPlaces::step(int from, const std::string& name) const {
  if (from < 0) return -1;
  const auto& then = steps_[static_cast<std::size_t>(from)].then;
  const auto found = then.find(name);
  return found == then.end() ? -1 : found->second;
}

TextPlace TextPlaces::at(std::string_view pointer) const {
  TextPlace best = steps_[0].place;
  for (int at = 0; !pointer.empty();) {
    pointer.remove_prefix(1);
    const std::string_view token = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(token.size());
    at = step(at, unescaped(token));
    if (at < 0 || !steps_[static_cast<std::size_t>(at)].met) break;
    best = steps_[static_cast<std::size_t>(at)].place;
  }
  return best;
}

void SarifLog::add(const std::string& file, std::string_view text,
                   const std::vector<ivr::Finding>& findings) {
  files_.push_back({file, std::string(text), findings});
}

std::string SarifLog::text() const {
  Json rules = Json::array(), results = Json::array();
  std::map<std::string, std::size_t> rule_of;
  for (const File& file : files_) {
    std::vector<std::string> pointers;
    for (const ivr::Finding& f : file.findings) {
      pointers.push_back(f.pointer);
      for (const ivr::FlowStep& step : f.call) pointers.push_back("/nodes/" + step.node);
    }
    const TextPlaces places(file.text, pointers);
    for (const ivr::Finding& f : file.findings) {
      const auto [rule, added] = rule_of.emplace(f.rule, rules.size());
      if (added) rules.push_back({{"id", f.rule}});
      Json result = {
          {"ruleId", f.rule},
          {"ruleIndex", rule->second},
          {"level", f.severity == ivr::Severity::error ? "error" : "warning"},
          {"message", {{"text", f.message + (f.mend.empty() ? "" : "; " + f.mend)}}},
          {"locations", Json::array({location(file.name, places.at(f.pointer), f.pointer, "object")})}};
      Json steps = Json::array();
      for (const ivr::FlowStep& step : f.call) {
        const std::string pointer = "/nodes/" + step.node;
        Json at = {{"location", location(file.name, places.at(pointer), pointer, "object")}};
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
