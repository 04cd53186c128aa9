// Any bytes as a skill expression: it is refused with a reason, or it prints as one that reads as the same,
// within the same limits, whatever its names become.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ivr/skills.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ivr::SkillExpression;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<ivr::Skill> skills = {{"french", 2}, {"billing", 1}, {"trainee", 0}};
  for (const auto names : {SkillExpression::Names::plain, SkillExpression::Names::with_variables}) {
    const auto expression = SkillExpression::parse(text, names);
    if (!expression.ok()) {
      require(expression.status().code() == absl::StatusCode::kInvalidArgument);
      const std::string why(expression.status().message());
      require(why.starts_with("at character "));
      continue;
    }
    const auto same = [&](const SkillExpression& one) {
      const auto again = SkillExpression::parse(one.text());
      require(again.ok() && *again == one && again->text() == one.text());
      require(again->met_by(skills) == one.met_by(skills));
    };
    same(*expression);
    SkillExpression whole;
    bool met = true;
    for (const SkillExpression& part : expression->parts()) {
      same(part);
      whole = SkillExpression::both(whole, part);
      met = met && part.met_by(skills);
    }
    require(whole == *expression && met == expression->met_by(skills));
    for (const std::string& name : {std::string("x"), std::string("it's (or not)"), std::string(300, '\'')}) {
      const SkillExpression renamed =
          expression->renamed([&](const std::string& was) { return was == "french" ? "" : name; });
      if (!renamed.empty()) same(renamed);
    }
    require(expression->renamed([](const std::string&) { return ""; }).empty());
  }
  return 0;
}
