#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/base.hpp"

namespace ivr {

// What documents call the levels 0 to 5 of a skill.
inline constexpr std::string_view kSkillLevels[] = {"none",     "basic",  "skilled",
                                                    "advanced", "expert", "master"};

// What an agent must be able to do: least levels of skills, joined by and, or and not. A list of skills is
// the same with `and` between them.
//
//   french >= 2 and (billing or sales) and not trainee
//
// A skill alone is one at level 1 or above. >= > < <= == != compare with a level: 0 to 5, or its name
// (kSkillLevels); who has not got the skill is below all levels. `not` binds closest, then `and`, then `or`;
// && || ! are the same. A name has ASCII letters, digits, _ - . + and anything that is not ASCII; others, and
// and, or, not themselves, stand in quotes, 'after sales', with a backslash before a quote or a backslash.
//
// A value. Order and brackets in which the same was written make no difference: such are equal, and print
// alike. It does not reason beyond that: what nobody can meet is not found out.
//
// Thread: any, as values are.
class SkillExpression {
 public:
  static constexpr int kMostSkills = 64;            // of a text; == and != count as two
  static constexpr int kMostBrackets = 16;          // one in the other; != counts as one
  static constexpr std::size_t kLongestName = 256;  // bytes, in a text
  enum class Names { plain, with_variables };       // these may have {{...}} in them, also without quotes

  SkillExpression() = default;  // asks for nothing
  // Each of them; of one that is there twice the higher level. It stays a list, in its order.
  SkillExpression(std::vector<Skill> all);
  SkillExpression(std::initializer_list<Skill> all) : SkillExpression(std::vector<Skill>(all)) {}

  // InvalidArgument: at which character what was expected, or which limit is passed.
  static absl::StatusOr<SkillExpression> parse(std::string_view text, Names names = Names::plain);

  // As parse reads it; nothing when nothing is asked for.
  std::string text() const;

  bool empty() const noexcept { return all_.empty() && terms_.empty(); }
  bool met_by(const std::vector<Skill>& skills) const;

  // Asks for both.
  static SkillExpression both(const SkillExpression& a, const SkillExpression& b);

  // The same with other names: `name` is called for each. What gets no name is left out, and an `and`, `or`
  // or `not` of nothing with it; a longer one than kLongestName is cut off.
  SkillExpression renamed(const std::function<std::string(const std::string&)>& name) const;

  // One part of an `and` or an `or`.
  struct Term {
    enum class Kind : std::uint8_t { least, below, all, any };
    Kind kind = Kind::least;
    Skill skill;              // of least and below
    std::vector<Term> parts;  // of all and any
    friend bool operator==(const Term&, const Term&) = default;
  };
  // What is asked for is all of these: least levels, by name or as a list had them, and other terms, which
  // are of the kinds below and any. Without such terms it is a list.
  const std::vector<Skill>& all() const noexcept { return all_; }
  const std::vector<Term>& terms() const noexcept { return terms_; }
  bool is_list() const noexcept { return terms_.empty(); }
  std::vector<SkillExpression> parts() const;  // each of them by itself
  // Of each skill that is named: the level it is compared with, and whether it is to be reached or not to be.
  void for_each(const std::function<void(const Skill& skill, bool reached)>& each) const;

  friend bool operator==(const SkillExpression& a, const SkillExpression& b);

 private:
  friend class SkillParser;
  explicit SkillExpression(Term whole);

  std::vector<Skill> all_;
  std::vector<Term> terms_;
};

}  // namespace ivr
