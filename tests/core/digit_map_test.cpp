#include "ivr/digit_map.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <regex>

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

DigitMap map_of(const std::vector<DigitMap::Entry>& entries) {
  auto map = DigitMap::create(entries);
  EXPECT_TRUE(map.ok()) << map.status().message();
  return *std::move(map);
}
std::string refusal(const std::string& pattern) {
  const auto map = DigitMap::create({{pattern}});
  return map.ok() ? "" : std::string(map.status().message());
}

TEST(DigitMap, SaysWhichEntryItIsAndWhetherMoreKeysMayFollow) {
  // Key 1, extensions 1xxx, *-codes, and a number of any length.
  const DigitMap map = map_of({{"1", false}, {"1\\d{3}"}, {R"(\*4[567])"}, {"9[0-9]+#?"}, {"*", false}});
  struct Row {
    const char* digits;
    int entry;
    bool more;
  };
  for (const Row& row :
       {Row{"", -1, true}, Row{"1", 0, true}, Row{"12", -1, true}, Row{"1234", 1, false},
        Row{"12345", -1, false}, Row{"*", 4, true}, Row{"*4", -1, true}, Row{"*46", 2, false},
        Row{"*49", -1, false}, Row{"9", -1, true}, Row{"90", 3, true}, Row{"90#", 3, false},
        Row{"2", -1, false}, Row{"?", -1, false}, Row{"A", -1, false}}) {
    const auto verdict = map.judge(row.digits);
    EXPECT_EQ(verdict.entry, row.entry) << row.digits;
    EXPECT_EQ(verdict.more, row.more) << row.digits;
  }
}

TEST(DigitMap, NamedGroupsHoldWhatTheirPartsMatched) {
  struct Row {
    const char* pattern;
    const char* digits;
    std::vector<std::pair<std::string, std::string>> captures;
  };
  const Row rows[] = {
      {"8(?<desk>\\d{3})", "8123", {{"desk", "123"}}},
      {"(?<area>0\\d{2})(?<rest>\\d*)", "0301234", {{"area", "030"}, {"rest", "1234"}}},
      {"(?<a>\\d*)(?<b>\\d+)", "1234", {{"a", "123"}, {"b", "4"}}},
      {"(?<a>\\d*?)(?<b>\\d+)", "1234", {{"a", ""}, {"b", "1234"}}},
      {"(?<a>\\d+?)(?<b>\\d+)", "1234", {{"a", "1"}, {"b", "234"}}},
      {"(?:(?<star>\\*)|(?<digit>\\d))+", "*7", {{"star", "*"}, {"digit", "7"}}},
      {"(?<a>1)|(?<b>2)", "2", {{"a", ""}, {"b", "2"}}},
      {"(?:(?<last>\\d)#?)+", "1#2#3", {{"last", "3"}}},
      {"(1|2)(?<a>3)", "23", {{"a", "3"}}},
  };
  for (const Row& row : rows) {
    const DigitMap map = map_of({{row.pattern}});
    ASSERT_EQ(map.judge(row.digits).entry, 0) << row.pattern;
    EXPECT_EQ(map.captures(0, row.digits), row.captures) << row.pattern;
  }
}

TEST(DigitMap, RefusesWhatIsNoPatternAndSaysWhy) {
  struct Row {
    const char* pattern;
    const char* says;
  };
  for (const Row& row :
       {Row{"[0-9", "'[' without ']'"},
        Row{"(1", "'(' without ')'"},
        Row{"1)", "')' without '('"},
        Row{"*1", "the key * is written \\*"},
        Row{"1x", "'x' is no key"},
        Row{"(1)\\1", "back references"},
        Row{"(?=1)", "look-ahead"},
        Row{"(?<!1)2", "look-ahead"},
        Row{"1{200}", "more than 128"},
        Row{"1{3,2}", "ends before"},
        Row{"1{x}", "is written {2}"},
        Row{"[9-0]", "no range"},
        Row{"[0-D]", "no range"},
        Row{"[]", "no key at all"},
        Row{"[^0-9*#A-D]", "no key at all"},
        Row{"1**", "repetition of a repetition"},
        Row{"", "without any key"},
        Row{"\\d*", "without any key"},
        Row{"1|", "without any key"},
        Row{"\\", "a '\\' at the end"},
        Row{"\\w", "not in the pattern language"},
        Row{"(?<1a>2)", "is named"},
        Row{"(?<a>1)(?<a>2)", "two groups"},
        Row{"(?<a>1)(?<b>1)(?<c>1)(?<d>1)(?<e>1)(?<f>1)(?<g>1)(?<h>1)(?<i>1)", "more than 8"},
        Row{"((\\d{0,99}){0,99}){0,99}", "more than 4096 steps"}}) {
    EXPECT_THAT(refusal(row.pattern), HasSubstr(row.says)) << row.pattern;
  }
  EXPECT_THAT(refusal(std::string(201, '1')), HasSubstr("201 characters, at most 200"));
  EXPECT_THAT(refusal(std::string(50, '(') + "1" + std::string(50, ')')), HasSubstr("nested deeper"));
  const auto second = DigitMap::create({{"1"}, {"(2"}});
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("1: '(' without ')'"));
}

TEST(DigitMap, FindsTwoEntriesThatSomeKeysAreBothOf) {
  struct Row {
    std::vector<DigitMap::Entry> entries;
    int first, second;
    const char* keys;
  };
  const Row rows[] = {
      {{{"1", false}, {"[0-5]"}}, 0, 1, "1"},       {{{"0"}, {"1\\d{3}"}, {"10[01]\\d"}}, 1, 2, "1000"},
      {{{"9+#"}, {"\\d{2}#"}}, 0, 1, "99#"},        {{{"1"}, {"1\\d"}, {"2|3*4"}}, -1, -1, ""},
      {{{"1(?:23)*"}, {"1(?:232)+2"}}, -1, -1, ""},
  };
  for (const Row& row : rows) {
    const DigitMap map = map_of(row.entries);
    const auto overlap = map.overlap();
    ASSERT_EQ(overlap.has_value(), row.first >= 0) << row.keys;
    if (!overlap) continue;
    EXPECT_EQ(overlap->first, row.first);
    EXPECT_EQ(overlap->second, row.second);
    EXPECT_EQ(overlap->keys, row.keys);
    EXPECT_EQ(map.judge(overlap->keys).entry, row.first);
  }
}

// Patterns on which backtracking takes longer than the universe has lasted.
TEST(DigitMap, NoPatternTakesForEver) {
  std::string many;
  for (int i = 0; i < 18; ++i) many += "\\d{0,99}";
  for (const std::string& pattern : {std::string("(\\d+)+#"), std::string("(?:\\d|\\d\\d)+#"),
                                     std::string("(?<a>(?:\\d*)*)*#"), many + "#"}) {
    const auto map = DigitMap::create({{pattern}});
    ASSERT_TRUE(map.ok()) << pattern << ": " << map.status().message();
    EXPECT_EQ(map->judge(std::string(128, '1') + "A").entry, -1);
    EXPECT_EQ(map->judge(std::string(128, '1') + "#").entry, 0);
    map->captures(0, std::string(128, '1') + "#");
  }
}

TEST(DigitMap, KnowsWhichKeysItUses) {
  const DigitMap map = map_of({{"1[2-4]"}, {"#", false}});
  for (const char key : std::string("1234#")) EXPECT_TRUE(map.uses(key)) << key;
  for (const char key : std::string("056789*AD?")) EXPECT_FALSE(map.uses(key)) << key;
}

// Against the standard library's matcher, on random patterns and input.
TEST(DigitMap, AgreesWithTheStandardRegularExpressions) {
  std::mt19937 random(20261121);
  const auto draw = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const auto make = [&](auto& self, int depth) -> std::string {
    std::string text;
    for (int i = 1 + draw(3); i > 0; --i) {
      switch (draw(depth > 0 ? 6 : 4)) {
        case 0: text += static_cast<char>('1' + draw(3)); break;
        case 1: text += "[12]"; break;
        case 2: text += "[^1]"; break;
        case 3: text += "\\*"; break;
        case 4: text += "(?:" + self(self, depth - 1) + "|" + self(self, depth - 1) + ")"; break;
        case 5: text += "(?:" + self(self, depth - 1) + ")"; break;
      }
      switch (draw(8)) {
        case 0: text += "*"; break;
        case 1: text += "+"; break;
        case 2: text += "?"; break;
        case 3: text += "{1,2}"; break;
        default: break;
      }
    }
    return text;
  };
  int compared = 0;
  for (int i = 0; i < 400; ++i) {
    const std::string pattern = make(make, 2);
    const auto map = DigitMap::create({{pattern}});
    if (!map.ok()) {
      EXPECT_THAT(std::string(map.status().message()),
                  testing::AnyOf(HasSubstr("without any key"), HasSubstr("characters")))
          << pattern;
      continue;
    }
    const std::regex standard(pattern);
    for (int j = 0; j < 40; ++j) {
      std::string digits;
      for (int k = draw(7); k > 0; --k) digits += "123*"[draw(4)];
      const auto verdict = map->judge(digits);
      EXPECT_EQ(verdict.entry == 0, std::regex_match(digits, standard)) << pattern << " on " << digits;
      ++compared;
    }
  }
  EXPECT_GT(compared, 5000);
}

}  // namespace
}  // namespace ivr
