#include "ivr/skills.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

SkillExpression expression_of(std::string_view text) {
  auto expression = SkillExpression::parse(text);
  EXPECT_TRUE(expression.ok()) << text << ": " << expression.status();
  return expression.ok() ? *expression : SkillExpression();
}

TEST(SkillExpression, SaysWhoWillDo) {
  const std::vector<Skill> ann = {{"french", 3}, {"billing", 1}};
  const std::vector<Skill> bob = {{"french", 2}, {"sales", 5}, {"trainee", 1}};
  const std::vector<Skill> eve = {{"after sales", 0}, {"نشاط", 2}};
  struct Row {
    const char* text;
    bool ann, bob, eve;
  };
  constexpr Row kRows[] = {
      {"french", true, true, false},
      {"french >= 3", true, false, false},
      {"french>2", true, false, false},
      {"french < 3", false, true, true},
      {"french <= 2", false, true, true},
      {"french == 2", false, true, false},
      {"french = 2", false, true, false},
      {"french != 2", true, false, true},
      {"not french", false, false, true},
      {"!french == 2", true, false, true},
      {"not not french", true, true, false},
      {"french >= advanced", true, false, false},
      {"french >= Advanced AND NOT trainee", true, false, false},
      {"french >= 2 and (billing or sales) and not trainee", true, false, false},
      {"french >= 2 && (billing || sales) && !trainee", true, false, false},
      {"billing or sales and trainee", true, true, false},
      {"(billing or sales) and trainee", false, true, false},
      {"not (billing or trainee)", false, false, true},
      {"not (french and trainee)", true, false, true},
      {"not (french >= 3 or sales > 4)", false, false, true},
      {"'after sales'", false, false, false},
      {"'after sales' >= 0", false, false, true},
      {"\"after sales\" >= none", false, false, true},
      {"french < 0", false, false, true},
      {"نشاط >= 2", false, false, true},
      {"sales == 5", false, true, false},
      {"sales != 5", true, false, true},
      {"not sales == 5", true, false, true},
  };
  for (const Row& row : kRows) {
    const SkillExpression expression = expression_of(row.text);
    EXPECT_EQ(expression.met_by(ann), row.ann) << row.text;
    EXPECT_EQ(expression.met_by(bob), row.bob) << row.text;
    EXPECT_EQ(expression.met_by(eve), row.eve) << row.text;
    EXPECT_EQ(expression_of(expression.text()), expression) << row.text << " became " << expression.text();
  }
}

TEST(SkillExpression, PrintsItselfInOneForm) {
  const std::pair<const char*, const char*> kRows[] = {
      {"french", "french"},
      {"french >= 1", "french"},
      {" french>0 ", "french"},
      {"not french", "not french"},
      {"french < 1", "not french"},
      {"french <= none", "not french"},
      {"french == 2", "french >= 2 and french < 3"},
      {"french != 2", "french >= 3 or french < 2"},
      {"french >= 0", "french >= 0"},
      {"b and a and b >= 3 and a", "a and b >= 3"},
      {"b or a or b >= 3", "a or b"},
      {"b < 2 and b < 4", "b < 2"},
      {"b < 2 or b < 4", "b < 4"},
      {"((a)) and (b and (c or (d)))", "a and b and (c or d)"},
      {"(c or d) and (d or c) and a", "a and (c or d)"},
      {"a and b or c", "c or a and b"},
      {"not (a and (b or not c))", "not a or c and not b"},
      {"'and' and \"it's\" and 'a\\\\b' and 'x y' and '2nd-line.x+'",
       "2nd-line.x+ and 'a\\\\b' and 'and' and 'it\\'s' and 'x y'"},
  };
  for (const auto& [text, form] : kRows) {
    const SkillExpression expression = expression_of(text);
    EXPECT_EQ(expression.text(), form);
    EXPECT_EQ(expression_of(form), expression) << text;
  }
}

TEST(SkillExpression, AListIsAnAndOfLeastLevels) {
  const SkillExpression list = {{"b", 2}, {"a", 1}, {"b", 1}};
  EXPECT_EQ(list, expression_of("a and b >= 2"));
  EXPECT_TRUE(list.is_list());
  EXPECT_EQ(list.text(), "a and b >= 2");
  EXPECT_THAT(list.all(), ElementsAre(Skill{"b", 2}, Skill{"a", 1}, Skill{"b", 1})) << "in its order";
  EXPECT_NE(list, expression_of("a and b >= 3"));
  EXPECT_FALSE(expression_of("a and not b").is_list());
  EXPECT_TRUE(SkillExpression().empty());
  EXPECT_TRUE(SkillExpression().met_by({}));
  EXPECT_EQ(SkillExpression().text(), "");
  EXPECT_EQ(SkillExpression(std::vector<Skill>{}), SkillExpression());
}

TEST(SkillExpression, SaysAtWhichCharacterWhatWasExpected) {
  const auto brackets = [](int n) {
    return std::string(static_cast<std::size_t>(n), '(') + "a" +
           std::string(static_cast<std::size_t>(n), ')');
  };
  std::string many = "s0";
  for (int i = 1; i < 64; ++i) many += " and s" + std::to_string(i);
  EXPECT_TRUE(SkillExpression::parse(brackets(16)).ok());
  EXPECT_TRUE(SkillExpression::parse(many).ok());
  EXPECT_TRUE(SkillExpression::parse(std::string(256, 'x')).ok());
  EXPECT_TRUE(SkillExpression::parse(std::string(100'000, '!') + "a").ok()) << "no depth";
  const std::pair<std::string, const char*> rows[] = {
      {"", "at character 1: expected a skill, found the end"},
      {"french and", "at character 11: expected a skill, found the end"},
      {"french and or sales", "at character 12: expected a skill, found 'or'"},
      {"french sales", "at character 8: expected 'and', 'or' or the end, found 'sales'"},
      {"(french or sales", "at character 17: expected 'and', 'or' or ')', found the end"},
      {"french)", "at character 7: expected 'and', 'or' or the end, found ')'"},
      {"french >= 6",
       "at character 11: expected a level of 0 to 5 or one of none, basic, skilled, advanced, "
       "expert, master, found '6'"},
      {"french >= ", "expert, master, found the end"},
      {"french >= good and x", "found 'good'"},
      {"french > 5", "at character 8: no level is above 5"},
      {"french <= master", "at character 8: no level is above 5"},
      {"نشاط §", "at character 6: expected 'and', 'or' or the end, found '§'"},
      {"a and 'b", "at character 7: a quote without an end"},
      {"a and 'b\\", "at character 7: a quote without an end"},
      {"a and ''", "at character 7: a skill without a name"},
      {"{{x}}", "at character 1: expected a skill, found '{'"},
      {brackets(17), "at character 18: more than 16 brackets, or !=, one inside the other"},
      {std::string(16, '(') + "a != 2" + std::string(16, ')'), "more than 16 brackets, or !="},
      {many + " and s64", "more than 64 skills up to here"},
      {many + "3 and a == 2", "more than 64 skills up to here"},
      {std::string(257, 'x'), "at character 258: a name of 257 bytes before here; at most 256"},
  };
  for (const auto& [text, error] : rows) {
    const auto expression = SkillExpression::parse(text);
    ASSERT_FALSE(expression.ok()) << text;
    EXPECT_EQ(expression.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(expression.status().message()), HasSubstr(error)) << text;
  }
}

TEST(SkillExpression, NamesMayHaveVariablesThatAreFilledInLater) {
  const auto with = [](std::string_view text) {
    auto expression = SkillExpression::parse(text, SkillExpression::Names::with_variables);
    EXPECT_TRUE(expression.ok()) << text << ": " << expression.status();
    return expression.ok() ? *expression : SkillExpression();
  };
  const SkillExpression expression = with("lang_{{ a or b }} >= 2 and (x or {{c}}) and not 'v {{d}}'");
  const auto filled = [&](std::string_view language, std::string_view c, std::string_view d) {
    return expression
        .renamed([&](const std::string& name) -> std::string {
          if (name == "lang_{{ a or b }}") return "lang_" + std::string(language);
          if (name == "{{c}}") return std::string(c);
          if (name == "v {{d}}") return std::string(d);
          return name;
        })
        .text();
  };
  EXPECT_EQ(filled("en", "y", "z"), "lang_en >= 2 and not z and (x or y)");
  EXPECT_EQ(filled("en", "", ""), "lang_en >= 2 and x") << "what has no name is left out";
  EXPECT_EQ(filled("en", "x", "b or true)"), "lang_en >= 2 and x and not 'b or true)'") << "it stays a name";
  EXPECT_EQ(with("not {{a}} or {{b}}").renamed([](const std::string&) { return ""; }), SkillExpression());
  const std::string longest(255, 'x');
  EXPECT_EQ(with("{{a}}").renamed([&](const std::string&) { return longest + "éx"; }).all()[0].name, longest);
  EXPECT_FALSE(SkillExpression::parse("{{a", SkillExpression::Names::with_variables).ok());
}

TEST(SkillExpression, BothAsksForBothAndPartsAreTheParts) {
  const SkillExpression a = expression_of("french >= 2 and (x or y)"),
                        b = expression_of("french and not t and (y or x)");
  EXPECT_EQ(SkillExpression::both(a, b).text(), "french >= 2 and not t and (x or y)");
  EXPECT_EQ(SkillExpression::both(a, {}), a);
  EXPECT_EQ(SkillExpression::both(expression_of("x or y"), expression_of("z")).text(), "z and (x or y)");
  std::vector<std::string> texts;
  for (const SkillExpression& part : SkillExpression::both(a, b).parts()) texts.push_back(part.text());
  EXPECT_THAT(texts, ElementsAre("french >= 2", "not t", "x or y"));
  std::vector<std::string> reached, not_reached;
  b.for_each([&](const Skill& s, bool yes) { (yes ? reached : not_reached).push_back(s.name); });
  EXPECT_THAT(reached, ElementsAre("french", "x", "y"));
  EXPECT_THAT(not_reached, ElementsAre("t"));
}

// What was written, evaluated as it was written; and the text of it.
struct Written {
  std::string text;
  std::vector<bool> holds;  // by agent
};

TEST(SkillExpression, MeansWhatWasWrittenWhateverWasWritten) {
  std::mt19937 random(7);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const char* const kNames[] = {"a", "b", "c"};
  // Every agent there can be with levels of 0 to 3 in three skills, or without.
  std::vector<std::vector<Skill>> agents;
  for (int n = 0; n < 5 * 5 * 5; ++n) {
    auto& skills = agents.emplace_back();
    for (int s = 0, rest = n; s < 3; ++s, rest /= 5) {
      if (rest % 5 > 0) skills.push_back({kNames[s], rest % 5 - 1});
    }
  }
  const auto write = [&](auto&& self, int depth) -> Written {
    Written out;
    const int what = depth == 0 ? 0 : below(4);
    if (what <= 1) {
      const char* const kSigns[] = {">=", ">", "<=", "<", "==", "!="};
      const int s = below(3), sign = below(6), level = below(4);
      out.text = std::string(kNames[s]) + " " + kSigns[sign] + " " + std::to_string(level);
      for (const auto& skills : agents) {
        int has = -1;
        for (const Skill& skill : skills) has = skill.name == kNames[s] ? skill.level : has;
        const bool holds[] = {has >= level, has > level,  has <= level,
                              has < level,  has == level, has != level};
        out.holds.push_back(holds[sign]);
      }
      return out;
    }
    if (what == 2) {
      out = self(self, depth - 1);
      out.text = "not (" + out.text + ")";
      out.holds.flip();
      return out;
    }
    const bool all = below(2) == 0;
    for (int i = 2 + below(2); i > 0; --i) {
      const Written part = self(self, depth - 1);
      out.text += (out.text.empty() ? "(" : all ? " and (" : " or (") + part.text + ")";
      if (out.holds.empty()) out.holds.assign(agents.size(), all);
      for (std::size_t n = 0; n < agents.size(); ++n)
        out.holds[n] = all ? out.holds[n] && part.holds[n] : out.holds[n] || part.holds[n];
    }
    return out;
  };
  int read_ones = 0;
  for (int round = 0; round < 3000; ++round) {
    const Written written = write(write, 1 + below(5));
    const auto expression = SkillExpression::parse(written.text);
    if (!expression.ok()) {
      EXPECT_THAT(std::string(expression.status().message()), HasSubstr("more than 64"));
      continue;
    }
    ++read_ones;
    for (std::size_t n = 0; n < agents.size(); ++n)
      ASSERT_EQ(expression->met_by(agents[n]), written.holds[n]) << written.text << "\n"
                                                                 << expression->text();
    ASSERT_EQ(expression_of(expression->text()), *expression) << written.text;
  }
  EXPECT_GT(read_ones, 2000);
}

}  // namespace
}  // namespace ivr
