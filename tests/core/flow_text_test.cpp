#include "ivr/flow_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "core/flow_caller.hpp"
#include "nlohmann/json.hpp"

// Flow documents as texts: one way to write them, and none of it changes what they mean.

namespace ivr {
namespace {

using Json = nlohmann::ordered_json;

TEST(FlowText, FieldsComeInTheOrderOfTheLanguageAndNamesAsWritten) {
  const auto tidy = format_flow(
      R"({"nodes":{"z":{"next":"a","say":"Hello","type":"play"},"a":{"type":"hangup"}},"start":"z","on_error":"a","id":"t","ivr":1,"extra":true})");
  ASSERT_TRUE(tidy.ok()) << tidy.status();
  EXPECT_EQ(*tidy, R"({
  "ivr": 1,
  "id": "t",
  "start": "z",
  "on_error": "a",
  "nodes": {
    "z": {
      "type": "play",
      "say": "Hello",
      "next": "a"
    },
    "a": {
      "type": "hangup"
    }
  },
  "extra": true
}
)");
}

TEST(FlowText, WhatDoesNotFitIntoALineIsBroken) {
  const std::string word(60, 'x');
  const auto tidy =
      format_flow(R"({"ivr": 1, "lists": {"a": [")" + word + "\", \"" + word + R"("], "b": [1, 2]}})");
  ASSERT_TRUE(tidy.ok()) << tidy.status();
  EXPECT_EQ(*tidy, "{\n  \"ivr\": 1,\n  \"lists\": {\n    \"a\": [\n      \"" + word + "\",\n      \"" +
                       word + "\"\n    ],\n    \"b\": [1, 2]\n  }\n}\n");
}

TEST(FlowText, WhatIsNoJsonIsRefused) {
  EXPECT_THAT(format_flow(R"({"a": 1, "a": 2})").status().message(), testing::HasSubstr("twice"));
  EXPECT_THAT(format_flow("{").status().message(), testing::HasSubstr("line 1"));
}

// The same document with its keys in another order, where order means nothing: what is set is set in the
// order written, and so are departments asked.
Json shuffled(const Json& json, std::mt19937& random, bool in_order = false) {
  if (json.is_array()) {
    Json out = Json::array();
    for (const Json& one : json) out.push_back(shuffled(one, random));
    return out;
  }
  if (!json.is_object()) return json;
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  if (!in_order) std::shuffle(keys.begin(), keys.end(), random);
  Json out = Json::object();
  for (const std::string& key : keys)
    out[key] = shuffled(json[key], random, key == "set" || key == "departments");
  return out;
}

std::string random_name(std::mt19937& random) { return "v" + std::to_string(random() % 20); }

Json random_json(std::mt19937& random, int depth) {
  switch (random() % (depth > 3 ? 6 : 8)) {
    case 0: return nullptr;
    case 1: return random() % 2 == 0;
    case 2: return static_cast<std::int64_t>(random()) - 2'000'000'000;
    case 3: return static_cast<double>(random() % 100'000) / 64;
    case 4: return "text \"quoted\" \\ \n " + std::to_string(random());
    case 5: return std::string("\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7 ") + std::string(random() % 60, 'x');
    case 6: {
      Json list = Json::array();
      for (auto i = random() % 5; i > 0; --i) list.push_back(random_json(random, depth + 1));
      return list;
    }
    default: {
      Json object = Json::object();
      for (auto i = random() % 5; i > 0; --i) object[random_name(random)] = random_json(random, depth + 1);
      return object;
    }
  }
}

// A flow of random nodes that runs: whatever order they are in, each leads to a later one or to the end.
Json random_flow(std::mt19937& random) {
  Json nodes = Json::object(), variables = Json::object();
  for (int i = 0; i < 20; ++i) variables["v" + std::to_string(i)] = random_json(random, 0);
  const int count = 1 + static_cast<int>(random() % 12);
  for (int i = 0; i < count; ++i) {
    const std::string next = i + 1 < count ? "n" + std::to_string(i + 1) : "end";
    Json& node = nodes["n" + std::to_string(i)];
    switch (random() % 5) {
      case 0:
        node = {{"type", "play"}, {"say", "Say {{" + random_name(random) + "}}"}, {"next", next}};
        break;
      case 1:
        node = {{"type", "set"},
                {"set", {{random_name(random), random_json(random, 2)}, {"w", 1}}},
                {"next", next}};
        break;
      case 2:
        node = {{"type", "menu"},
                {"say", "x"},
                {"keys", {{"1", next}, {"*", "end"}}},
                {"invalid", "end"},
                {"no_input", next}};
        break;
      case 3:
        node = {{"type", "decision"},
                {"cases", Json::array({{{"if", random_name(random) + " > 3"}, {"next", "end"}}})},
                {"else", next}};
        break;
      default:
        node = {{"type", "gather"}, {"into", random_name(random)},
                {"say", "x"},       {"next", next},
                {"invalid", "end"}, {"no_input", "end"}};
    }
    // A text in a set is a template; texts of random values are none.
  }
  nodes["end"] = {{"type", "hangup"}};
  return {{"ivr", 1},          {"id", "random"},         {"start", "n0"},
          {"on_error", "end"}, {"variables", variables}, {"nodes", nodes}};
}

void expect_round_trip(const std::string& text, std::mt19937& random) {
  const auto flow = Flow::load(text);
  ASSERT_TRUE(flow.ok()) << flow.status().message() << "\n" << text;
  const auto again = Flow::load((*flow)->to_json());
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ((*again)->digest(), (*flow)->digest());
  EXPECT_EQ((*again)->to_json(), (*flow)->to_json());
  EXPECT_EQ(Json::parse((*again)->to_json()), Json::parse(text));

  const auto tidy = format_flow(text);
  ASSERT_TRUE(tidy.ok()) << tidy.status();
  EXPECT_EQ(*format_flow(*tidy), *tidy);
  EXPECT_EQ((*Flow::load(*tidy))->digest(), (*flow)->digest());
  EXPECT_EQ((*Flow::load(*tidy))->node_names(), (*flow)->node_names());

  const auto other = Flow::load(shuffled(Json::parse(text), random).dump());
  ASSERT_TRUE(other.ok()) << other.status().message();
  EXPECT_EQ((*other)->digest(), (*flow)->digest());
}

TEST(FlowText, S0_80_ImportOfExportIsTheSameFlow) {
  std::mt19937 random(20261122);
  int shipped = 0;
  for (const auto& entry : std::filesystem::directory_iterator(IVR_SOURCE_DIR "/examples/flows")) {
    if (entry.path().extension() != ".json") continue;
    SCOPED_TRACE(entry.path());
    expect_round_trip(read_text(entry.path()), random);
    ++shipped;
  }
  EXPECT_GE(shipped, 8);
  for (unsigned seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 of_seed(seed);
    expect_round_trip(random_flow(of_seed).dump(), of_seed);
  }
}

TEST(FlowText, FlowsThatShipAreWrittenAsTheFormatterWritesThem) {
  for (const auto& entry : std::filesystem::directory_iterator(IVR_SOURCE_DIR "/examples/flows")) {
    const std::string text = read_text(entry.path());
    const auto tidy = format_flow(text);
    ASSERT_TRUE(tidy.ok()) << tidy.status();
    EXPECT_EQ(*tidy, text) << entry.path() << ": ivr fmt it";
  }
}

}  // namespace
}  // namespace ivr
