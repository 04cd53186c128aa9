#pragma once
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ivr/flow_run.hpp"

// For tests of flows: small documents, and a caller who drives a FlowRun with outcomes made up by hand and
// keeps what it was told.

namespace ivr {

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The JSON examples of a page of the documentation, by its path in the project.
inline std::vector<std::string> json_snippets(const std::string& page_path) {
  const std::string page = read_text(IVR_SOURCE_DIR + page_path);
  std::vector<std::string> out;
  for (std::size_t at = page.find("```json\n"); at != std::string::npos; at = page.find("```json\n", at)) {
    const std::size_t begin = at + 8;
    at = page.find("```", begin);
    out.push_back(page.substr(begin, at - begin));
  }
  return out;
}

// A flow that starts at its node "a", with a goodbye for everything that fails.
inline std::string flow_of(const std::string& nodes, const std::string& more = "") {
  return R"({"ivr": 1, "id": "t", "start": "a", "on_error": "sorry")" + (more.empty() ? "" : ", " + more) +
         R"(, "nodes": {)" + nodes +
         R"(, "sorry": {"type": "hangup", "say": "Sorry.", "reason": "trouble"}}})";
}

// Nodes for flow_of(): a menu and a goodbye for each way out of it.
inline constexpr const char* kMenu = R"(
  "a": {"type": "menu", "say": "Press 1 or 2.", "invalid_say": "No such key.", "no_input_say": "Nothing heard.",
        "keys": {"1": "one", "2": "two", "#": "one", "*": "two", "0": "two"}, "invalid": "bad", "no_input": "quiet"},
  "one": {"type": "hangup", "reason": "one"}, "two": {"type": "hangup", "reason": "two"},
  "bad": {"type": "hangup", "reason": "bad"}, "quiet": {"type": "hangup", "reason": "quiet"})";

class FlowCaller {
 public:
  explicit FlowCaller(std::string_view json, FlowRunOptions options = {}, const FlowCheckOptions& host = {}) {
    auto flow = Flow::load(json, host);
    EXPECT_TRUE(flow.ok()) << flow.status().message();
    if (flow.ok()) run_ = std::make_unique<FlowRun>(*flow, std::move(options));
  }

  // The call is up; the first intent is there.
  void start(CallInfo call = {.id = "c1", .caller = "1001", .called = "2001"}) {
    tell(outcome::Started{std::move(call)});
  }

  void tell(const Outcome& outcome) {
    out_.clear();
    run_->step(outcome, now, out_);
    notes.insert(notes.end(), out_.notes.begin(), out_.notes.end());
    ASSERT_EQ(out_.intent.size(), run_->ended() ? 0u : 1u) << "exactly one intent a step, none after the end";
  }
  void played() { tell(outcome::Played{}); }
  void press(std::string digits) {
    const auto end = digits.empty() ? outcome::CollectEnd::no_input : outcome::CollectEnd::full;
    tell(outcome::Collected{std::move(digits), end});
  }
  void enter(std::string digits) {
    tell(outcome::Collected{std::move(digits), outcome::CollectEnd::terminator, '#'});
  }
  void silent() { press(""); }
  void reply(int status, std::string body) { tell(outcome::Fetched{{status, std::move(body), ""}}); }
  void no_reply(std::string error) { tell(outcome::Fetched{{0, "", std::move(error)}}); }
  void hangs_up() { tell(outcome::Ended{}); }

  template <class T>
  const T& wants() const {
    static const T kNothing{};
    const bool is = !out_.intent.empty() && std::holds_alternative<T>(out_.intent[0]);
    EXPECT_TRUE(is) << "wants intent number "
                    << (out_.intent.empty() ? -1 : static_cast<int>(out_.intent[0].index()));
    return is ? std::get<T>(out_.intent[0]) : kNothing;
  }

  template <class T>
  bool is() const {
    return !out_.intent.empty() && std::holds_alternative<T>(out_.intent[0]);
  }
  template <class F>
  void visit(F&& f) const {
    if (!out_.intent.empty()) std::visit(f, out_.intent[0]);
  }

  // What is said now, pieces joined by '|'.
  std::string hears() const {
    if (out_.intent.empty()) return "";
    const Prompts* prompts = nullptr;
    if (const auto* p = std::get_if<intent::Play>(&out_.intent[0])) prompts = &p->prompts;
    if (const auto* c = std::get_if<intent::Collect>(&out_.intent[0])) prompts = &c->prompts;
    if (const auto* r = std::get_if<intent::Record>(&out_.intent[0])) prompts = &r->prompts;
    if (const auto* q = std::get_if<intent::Queue>(&out_.intent[0])) prompts = &q->say;
    std::string text;
    for (std::size_t i = 0; prompts && i < prompts->size(); ++i) text += (i ? "|" : "") + (*prompts)[i].value;
    return text;
  }

  // "welcome:next menu:1 ..." of all nodes left so far.
  std::string way() const {
    std::string text;
    for (const Note& n : notes) {
      if (const auto* left = std::get_if<note::NodeLeft>(&n))
        text += (text.empty() ? "" : " ") + left->node + ":" + left->exit;
    }
    return text;
  }
  std::vector<FlowStep> steps() const {
    std::vector<FlowStep> out;
    for (const Note& n : notes) {
      if (const auto* left = std::get_if<note::NodeLeft>(&n)) out.push_back({left->node, left->exit});
    }
    return out;
  }
  // Everything the notes say, for looking whether a secret is in there.
  std::string log() const {
    std::string text;
    for (const Note& n : notes) {
      if (const auto* e = std::get_if<note::NodeEntered>(&n)) text += "enter " + e->node + "\n";
      if (const auto* l = std::get_if<note::NodeLeft>(&n)) {
        text += "left " + l->node + " " + l->exit + " " + l->input + " " + l->output + " " + l->error + "\n";
      }
      if (const auto* v = std::get_if<note::VariableSet>(&n)) text += v->name + "=" + v->value + "\n";
      if (const auto* l = std::get_if<note::LanguageChosen>(&n)) text += "language " + l->language + "\n";
    }
    return text;
  }

  FlowRun& run() { return *run_; }
  std::vector<Note> notes;
  Time now{std::chrono::sys_days{std::chrono::year{2026} / 3 / 16} + std::chrono::hours(10)};  // a Monday

 private:
  std::unique_ptr<FlowRun> run_;
  ScriptOutput out_;
};

}  // namespace ivr
