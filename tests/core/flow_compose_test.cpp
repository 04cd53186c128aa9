#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/flow_caller.hpp"
#include "ivr/flow_sources.hpp"
#include "nlohmann/json.hpp"

// One flow out of several texts, and of what the host passes on.

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;
using Texts = std::map<std::string, std::string>;

ComposedFlow composed(const std::string& json, const Texts& texts, const Texts& environment = {}) {
  FlowSources sources;
  sources.include = [&](std::string_view name, std::string_view from) -> absl::StatusOr<FlowPart> {
    // Relative to who includes, as files are.
    const std::string path = std::string(from.substr(0, from.rfind('/') + 1)) + std::string(name);
    const auto found = texts.find(path);
    if (found == texts.end()) return absl::NotFoundError("no " + path);
    return FlowPart{path, found->second};
  };
  sources.environment = [&](std::string_view name) -> std::optional<std::string> {
    const auto found = environment.find(std::string(name));
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  };
  return compose_flow(json, sources);
}

std::string found(const ComposedFlow& flow) {
  std::string all;
  for (const Finding& f : flow.findings) all += f.rule + " " + f.pointer + ": " + f.message + "\n";
  return all;
}

constexpr const char* kShop =
    R"({"ivr": 1, "id": "shop", "include": ["common/bye.json"], "start": "a", "on_error": "bye",
  "nodes": {"a": {"type": "decision", "kind": "time", "calendar": "shop", "open": "bye", "closed": "bye"}}})";
constexpr const char* kBye =
    R"({"include": ["hours.json"], "comment": "shared", "nodes": {"bye": {"type": "hangup"}}, "secrets": ["pin"]})";
constexpr const char* kHours =
    R"({"calendars": {"shop": {"time_zone": "UTC", "hours": {"mon-fri": ["09:00-17:00"]}}}, "variables": {"pin": null}})";

TEST(FlowCompose, WhatIsIncludedJoinsTheDocument) {
  const ComposedFlow flow = composed(kShop, {{"common/bye.json", kBye}, {"common/hours.json", kHours}});
  EXPECT_EQ(found(flow), "");
  EXPECT_THAT(flow.parts, ElementsAre("common/bye.json", "common/hours.json"));
  const auto loaded = Flow::load(flow.json);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_THAT((*loaded)->node_names(), ElementsAre("a", "bye"));
  EXPECT_EQ((*loaded)->calendars().size(), 1u);
  EXPECT_FALSE(Json::parse(flow.json).contains("include"));
}

TEST(FlowCompose, ATextThatTwoIncludeCountsOnce) {
  const ComposedFlow flow =
      composed(R"({"include": ["a", "b"], "nodes": {}})", {{"a", R"({"include": ["c"]})"},
                                                           {"b", R"({"include": ["c"]})"},
                                                           {"c", R"({"nodes": {"x": {"type": "hangup"}}})"}});
  EXPECT_EQ(found(flow), "");
  EXPECT_THAT(flow.parts, ElementsAre("a", "c", "b"));
}

TEST(FlowCompose, WhatCannotBeIncludedSaysWhy) {
  const struct {
    const char* json;
    Texts texts;
    const char* says;
  } kCases[] = {
      {R"({"include": ["x"]})", {}, "bad-include /include/0: 'x' cannot be included: no x"},
      {R"({"include": "x"})", {}, "bad-include /include: 'include' is a list"},
      {R"({"include": [1]})", {}, "bad-include /include/0: the name of a text is a text"},
      {R"({"include": ["x"]})", {{"x", "[]"}}, "'x' is no JSON object"},
      {R"({"include": ["x"]})", {{"x", "{"}}, "parse /include/0: 'x': line 1"},
      {R"({"include": ["x"]})", {{"x", R"({"start": "a"})"}}, "'x': 'start' cannot be included"},
      {R"({"include": ["x"]})", {{"x", R"({"nodes": []})"}}, "'x': 'nodes' is of another type"},
      {R"({"include": ["x"]})",
       {{"x", R"({"include": ["y"]})"}, {"y", R"({"include": ["x"]})"}},
       "include-cycle /include: 'x' -> 'y' -> 'x'"},
      {R"({"include": ["x"], "nodes": {"a": 1}})",
       {{"x", R"({"nodes": {"a": 1}})"}},
       "include-collision /include/0: /nodes/a is in 'x' and in the document"},
      {R"({"include": ["x", "y"]})",
       {{"x", R"({"lists": {"a": []}})"}, {"y", R"({"lists": {"a": []}})"}},
       "include-collision /include/1: /lists/a is in 'y' and in 'x'"},
  };
  for (const auto& c : kCases) EXPECT_THAT(found(composed(c.json, c.texts)), HasSubstr(c.says)) << c.json;
  EXPECT_THAT(found(compose_flow(R"({"include": ["x"]})", {})), HasSubstr("nothing can be here"));
  EXPECT_THAT(to_string(Flow::check(kShop)[0]), HasSubstr("bad-include"));
}

TEST(FlowCompose, TooManyAndTooDeepIsTooMuch) {
  Texts texts;
  for (int i = 0; i < 200; ++i)
    texts["t" + std::to_string(i)] = R"({"include": ["t)" + std::to_string(i + 1) + R"("]})";
  EXPECT_THAT(found(composed(R"({"include": ["t0"]})", texts)), HasSubstr("17 deep"));
  std::string all;
  for (auto& [name, text] : texts) all += (all.empty() ? "\"" : ", \"") + name + "\"", text = "{}";
  EXPECT_THAT(found(composed(R"({"include": [)" + all + "]}", texts)), HasSubstr("more than 100"));
}

TEST(FlowCompose, TheEnvironmentIsPutInWhereTheHostPassesItOn) {
  const std::string json =
      R"({"variables": {"a": "sip:${ENV:USER}@${ENV:HOST}", "b": ["$${ENV:HOST}", "${HOST}"], "c": 1}})";
  const ComposedFlow flow = composed(json, {}, {{"USER", "de\"sk"}, {"HOST", "pbx"}});
  EXPECT_EQ(found(flow), "");
  const Json variables = Json::parse(flow.json)["variables"];
  EXPECT_EQ(variables["a"], "sip:de\"sk@pbx");
  EXPECT_EQ(variables["b"], Json({"${ENV:HOST}", "${HOST}"}));
  EXPECT_EQ(compose_flow(json, {}).json, json) << "no environment, no substitution";
  EXPECT_EQ(composed(R"({ "as": "written" })", {}).json, R"({ "as": "written" })");
}

TEST(FlowCompose, WhatIsMissingAndWhatIsSecretIsAnError) {
  EXPECT_THAT(found(composed(R"({"variables": {"a": "x ${ENV:HOST}"}})", {})),
              HasSubstr("unset-environment /variables/a: the environment has no 'HOST'"));
  EXPECT_THAT(found(composed(R"({"variables": {"a": "${ENV:no good}"}})", {})),
              HasSubstr("bad-environment /variables/a"));
  EXPECT_THAT(found(composed(R"({"variables": {"a": "${ENV:HOST"}})", {})),
              HasSubstr("bad-environment /variables/a"));
  const ComposedFlow secret =
      composed(R"({"secrets": ["token"], "variables": {"token": {"value": "${ENV:TOKEN}"}}})", {},
               {{"TOKEN", "s3cret"}});
  EXPECT_THAT(found(secret), HasSubstr("secret-in-document /variables/token/value"));
  EXPECT_THAT(secret.json, testing::Not(HasSubstr("s3cret")));
}

}  // namespace
}  // namespace ivr
