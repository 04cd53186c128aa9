#include "ivr/skills.hpp"

#include <algorithm>
#include <compare>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/status/status.h"

namespace ivr {
namespace {

using Term = SkillExpression::Term;
using Kind = SkillExpression::Term::Kind;

constexpr int kHighest = static_cast<int>(std::size(kSkillLevels)) - 1;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.' || c == '+' || (static_cast<unsigned char>(c) & 0x80) != 0;
}
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// One of our words, which are in small letters, in whatever case.
bool is_word(std::string_view text, std::string_view word) {
  return text.size() == word.size() && std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 0x20) : a) == b;
         });
}
bool is_joint(std::string_view text) {
  return is_word(text, "and") || is_word(text, "or") || is_word(text, "not");
}

// --------------------------------------------------------------------------------------------- one form

std::strong_ordering compare(const Term& a, const Term& b) {
  if (const auto by = a.kind <=> b.kind; by != 0) return by;
  if (const auto by = a.skill.name.compare(b.skill.name) <=> 0; by != 0) return by;
  if (const auto by = a.skill.level <=> b.skill.level; by != 0) return by;
  return std::lexicographical_compare_three_way(a.parts.begin(), a.parts.end(), b.parts.begin(),
                                                b.parts.end(), compare);
}

// `all` or `any` of some: in order, each once, none of them of the same kind, and of one skill one level that
// is to be reached and one that is not to be. A single one is itself; of nothing there is nothing.
std::optional<Term> join(Kind kind, std::vector<Term> parts) {
  Term out{kind, {}, {}};
  for (Term& part : parts) {
    if (part.kind == kind) {
      std::move(part.parts.begin(), part.parts.end(), std::back_inserter(out.parts));
    } else {
      out.parts.push_back(std::move(part));
    }
  }
  std::sort(out.parts.begin(), out.parts.end(),
            [](const Term& a, const Term& b) { return compare(a, b) < 0; });
  std::vector<Term> once;
  for (Term& part : out.parts) {
    const bool level = part.kind == Kind::least || part.kind == Kind::below;
    if (!once.empty() && once.back().kind == part.kind &&
        (level ? once.back().skill.name == part.skill.name : once.back() == part)) {
      // They are in rising order: all of them ask for the highest to be reached, any for the lowest; not to
      // be reached, the other way round.
      if (level && (kind == Kind::all) == (part.kind == Kind::least)) once.back() = std::move(part);
      continue;
    }
    once.push_back(std::move(part));
  }
  out.parts = std::move(once);
  if (out.parts.empty()) return std::nullopt;
  if (out.parts.size() == 1) return Term(std::move(out.parts.front()));
  return out;
}

// ---------------------------------------------------------------------------------------------- printed

std::string shown(const std::string& name) {
  if (!name.empty() && std::all_of(name.begin(), name.end(), is_plain) && !is_joint(name)) return name;
  std::string text = "'";
  for (const char c : name) {
    if (c == '\'' || c == '\\') text += '\\';
    text += c;
  }
  return text + "'";
}

void print(const Term& term, Kind inside, std::string& out) {
  const std::string level = std::to_string(term.skill.level);
  switch (term.kind) {
    case Kind::least: out += shown(term.skill.name) + (term.skill.level == 1 ? "" : " >= " + level); return;
    case Kind::below:
      out += term.skill.level == 1 ? "not " + shown(term.skill.name) : shown(term.skill.name) + " < " + level;
      return;
    case Kind::all:
    case Kind::any: break;
  }
  const bool brackets = term.kind == Kind::any && inside == Kind::all;
  if (brackets) out += '(';
  for (std::size_t i = 0; i < term.parts.size(); ++i) {
    if (i > 0) out += term.kind == Kind::all ? " and " : " or ";
    print(term.parts[i], term.kind, out);
  }
  if (brackets) out += ')';
}

// -------------------------------------------------------------------------------------------- evaluated

int level_of(const std::vector<Skill>& skills, const std::string& name) {
  int level = -1;
  for (const Skill& skill : skills) {
    if (skill.name == name) level = std::max(level, skill.level);
  }
  return level;
}

bool met(const Term& term, const std::vector<Skill>& skills) {
  const auto part = [&](const Term& one) { return met(one, skills); };
  switch (term.kind) {
    case Kind::least: return level_of(skills, term.skill.name) >= term.skill.level;
    case Kind::below: return level_of(skills, term.skill.name) < term.skill.level;
    case Kind::all: return std::all_of(term.parts.begin(), term.parts.end(), part);
    case Kind::any: return std::any_of(term.parts.begin(), term.parts.end(), part);
  }
  return false;
}

void visit(const Term& term, const std::function<void(const Skill&, bool)>& each) {
  if (term.parts.empty()) each(term.skill, term.kind == Kind::least);
  for (const Term& part : term.parts) visit(part, each);
}

std::optional<Term> rename(const Term& term, const std::function<std::string(const std::string&)>& name) {
  if (term.parts.empty()) {
    Term out{term.kind, {name(term.skill.name), term.skill.level}, {}};
    std::string& text = out.skill.name;
    if (text.size() > SkillExpression::kLongestName) {
      std::size_t end = SkillExpression::kLongestName;
      while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a letter
      text.resize(end);
    }
    if (text.empty()) return std::nullopt;
    return out;
  }
  std::vector<Term> parts;
  for (const Term& part : term.parts) {
    if (auto renamed = rename(part, name)) parts.push_back(*std::move(renamed));
  }
  return join(term.kind, std::move(parts));
}

// A list in the one form.
std::vector<Skill> in_order(std::vector<Skill> skills) {
  std::sort(skills.begin(), skills.end(), [](const Skill& a, const Skill& b) {
    return a.name != b.name ? a.name < b.name : a.level > b.level;
  });
  const auto same = [](const Skill& a, const Skill& b) { return a.name == b.name; };
  skills.erase(std::unique(skills.begin(), skills.end(), same), skills.end());
  return skills;
}

Term least(const Skill& skill) { return {Kind::least, skill, {}}; }

}  // namespace

// ------------------------------------------------------------------------------------------------ parse

// Recursive descent over: or, and, not, comparison. `not` is carried inwards at once, so the terms have none.
class SkillParser {
 public:
  SkillParser(std::string_view text, SkillExpression::Names names) : text_(text), names_(names) {}

  absl::StatusOr<SkillExpression> whole() {
    std::optional<Term> term = any(false);
    skip();
    if (error_.empty() && at_ < text_.size()) expected("'and', 'or' or the end");
    if (!error_.empty()) return absl::InvalidArgumentError(error_);
    return SkillExpression(*std::move(term));
  }

 private:
  using Parsed = std::optional<Term>;  // none: there is an error

  void skip() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  // Characters, of which a column counts one each.
  std::size_t column() const {
    return 1 + static_cast<std::size_t>(
                   std::count_if(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                 [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  }
  Parsed wrong(std::string_view what) {
    if (error_.empty()) error_ = "at character " + std::to_string(column()) + ": " + std::string(what);
    return std::nullopt;
  }
  Parsed expected(std::string_view what) {
    std::size_t end = std::min(at_ + 1, text_.size());
    while (end < text_.size() && end - at_ < 16 && is_plain(text_[at_]) && is_plain(text_[end])) ++end;
    while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0) == 0x80) ++end;
    return wrong("expected " + std::string(what) + ", found " +
                 (at_ < text_.size() ? "'" + std::string(text_.substr(at_, end - at_)) + "'" : "the end"));
  }
  bool symbol(std::string_view s) {
    if (text_.substr(at_, s.size()) != s) return false;
    at_ += s.size();
    return true;
  }
  std::string_view bare() const {
    std::size_t end = at_;
    while (end < text_.size()) {
      if (is_plain(text_[end])) {
        ++end;
      } else if (const std::size_t close = variable(end); close != text_.npos) {
        end = close;
      } else {
        break;
      }
    }
    return text_.substr(at_, end - at_);
  }
  // Behind the {{...}} that begins here.
  std::size_t variable(std::size_t at) const {
    if (names_ == SkillExpression::Names::plain || text_.substr(at, 2) != "{{") return text_.npos;
    const std::size_t close = text_.find("}}", at);
    return close == text_.npos ? close : close + 2;
  }
  bool joint(std::string_view word, std::string_view sign) {
    skip();
    if (symbol(sign)) return true;
    const std::string_view found = bare();
    if (!is_word(found, word)) return false;
    at_ += found.size();
    return true;
  }

  Parsed series(Kind kind, bool negated, std::string_view word, std::string_view sign,
                Parsed (SkillParser::*operand)(bool)) {
    std::vector<Term> parts;
    do {
      Parsed part = (this->*operand)(negated);
      if (!part) return part;
      parts.push_back(*std::move(part));
    } while (joint(word, sign));
    return join(negated == (kind == Kind::all) ? Kind::any : Kind::all, std::move(parts));
  }
  Parsed any(bool negated) { return series(Kind::any, negated, "or", "||", &SkillParser::all); }
  Parsed all(bool negated) { return series(Kind::all, negated, "and", "&&", &SkillParser::one); }

  Parsed one(bool negated) {
    for (skip(); joint("not", "!"); skip()) negated = !negated;
    if (!symbol("(")) return comparison(negated);
    if (++brackets_ > SkillExpression::kMostBrackets) return too_deep();
    Parsed inside = any(negated);
    if (!inside) return inside;
    skip();
    if (!symbol(")")) return expected("'and', 'or' or ')'");
    --brackets_;
    return inside;
  }
  Parsed too_deep() {
    return wrong("more than " + std::to_string(SkillExpression::kMostBrackets) +
                 " brackets, or !=, one inside the other");
  }

  bool name(std::string& out) {
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') {
      const std::string_view found = bare();
      if (found.empty() || is_joint(found)) return expected("a skill").has_value();
      out = found;
      at_ += found.size();
    } else {
      const std::size_t open = at_;
      for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
        if (text_[at_] == '\\' && ++at_ == text_.size()) break;
        out += text_[at_];
      }
      if (at_ >= text_.size()) {
        at_ = open;
        return wrong("a quote without an end").has_value();
      }
      if (out.empty()) {
        at_ = open;
        return wrong("a skill without a name").has_value();
      }
      ++at_;
    }
    if (out.size() <= SkillExpression::kLongestName) return true;
    return wrong("a name of " + std::to_string(out.size()) + " bytes before here; at most " +
                 std::to_string(SkillExpression::kLongestName))
        .has_value();
  }

  std::optional<int> level() {
    skip();
    const std::string_view found = bare();
    for (int i = 0; i <= kHighest; ++i) {
      if (found != std::to_string(i) && !is_word(found, kSkillLevels[i])) continue;
      at_ += found.size();
      return i;
    }
    std::string names;
    for (const std::string_view each : kSkillLevels) names.append(", ").append(each);
    expected("a level of 0 to 5 or one of" + names.substr(1));
    return std::nullopt;
  }

  Parsed comparison(bool negated) {
    Skill skill;
    if (!name(skill.name)) return std::nullopt;
    skip();
    enum class Sign { least, above, most, below, is, is_not };
    constexpr std::pair<std::string_view, Sign> kSigns[] = {
        {">=", Sign::least}, {">", Sign::above},   {"<=", Sign::most}, {"<", Sign::below},
        {"==", Sign::is},    {"!=", Sign::is_not}, {"=", Sign::is}};
    const std::size_t sign_at = at_;
    const auto sign =
        std::find_if(std::begin(kSigns), std::end(kSigns), [this](const auto& s) { return symbol(s.first); });
    Sign means = Sign::least;
    if (sign != std::end(kSigns)) {
      means = sign->second;
      const auto number = level();
      if (!number) return std::nullopt;
      skill.level = *number;
      if (skill.level == kHighest && (means == Sign::above || means == Sign::most)) {
        at_ = sign_at;
        return wrong("no level is above " + std::to_string(kHighest));
      }
    }
    const Term from{Kind::least, skill, {}}, under{Kind::below, skill, {}};
    ++skill.level;
    const Term above{Kind::least, skill, {}}, up_to{Kind::below, skill, {}};
    switch (means) {
      case Sign::least: return term(negated ? under : from);
      case Sign::above: return term(negated ? up_to : above);
      case Sign::most: return term(negated ? above : up_to);
      case Sign::below: return term(negated ? from : under);
      case Sign::is:
      case Sign::is_not: break;
    }
    const bool is = (means == Sign::is) != negated;
    if (skill.level > kHighest) return term(is ? from : under);
    if (is) return term(join(Kind::all, {from, up_to}));
    if (brackets_ == SkillExpression::kMostBrackets) return too_deep();
    return term(join(Kind::any, {under, above}));
  }
  Parsed term(Parsed parsed) {
    terms_ += parsed->parts.empty() ? 1 : 2;
    if (terms_ <= SkillExpression::kMostSkills) return parsed;
    return wrong("more than " + std::to_string(SkillExpression::kMostSkills) + " skills up to here");
  }

  std::string_view text_;
  SkillExpression::Names names_;
  std::size_t at_ = 0;
  int brackets_ = 0, terms_ = 0;
  std::string error_;
};

absl::StatusOr<SkillExpression> SkillExpression::parse(std::string_view text, Names names) {
  return SkillParser(text, names).whole();
}

// ---------------------------------------------------------------------------------------------- a value

SkillExpression::SkillExpression(std::vector<Skill> all) : all_(std::move(all)) {}

bool operator==(const SkillExpression& a, const SkillExpression& b) {
  return a.terms_ == b.terms_ && (a.all_ == b.all_ || in_order(a.all_) == in_order(b.all_));
}

SkillExpression::SkillExpression(Term whole) {
  std::vector<Term> parts;
  if (whole.kind == Term::Kind::all) {
    parts = std::move(whole.parts);
  } else {
    parts.push_back(std::move(whole));
  }
  for (Term& part : parts) {
    if (part.kind == Term::Kind::least) {
      all_.push_back(std::move(part.skill));
    } else {
      terms_.push_back(std::move(part));
    }
  }
}

std::string SkillExpression::text() const {
  std::string out;
  const auto add = [&out](const Term& term, Term::Kind inside) {
    if (!out.empty()) out += " and ";
    print(term, inside, out);
  };
  for (const Skill& skill : in_order(all_)) add(least(skill), Term::Kind::all);
  // One that is alone is not inside an `and`.
  const bool alone = all_.empty() && terms_.size() == 1;
  for (const Term& term : terms_) add(term, alone ? Term::Kind::any : Term::Kind::all);
  return out;
}

bool SkillExpression::met_by(const std::vector<Skill>& skills) const {
  return std::all_of(all_.begin(), all_.end(),
                     [&](const Skill& need) { return level_of(skills, need.name) >= need.level; }) &&
         std::all_of(terms_.begin(), terms_.end(), [&](const Term& term) { return met(term, skills); });
}

SkillExpression SkillExpression::both(const SkillExpression& a, const SkillExpression& b) {
  std::vector<Term> parts;
  for (const SkillExpression* each : {&a, &b}) {
    for (const Skill& skill : each->all_) parts.push_back(least(skill));
    parts.insert(parts.end(), each->terms_.begin(), each->terms_.end());
  }
  auto whole = join(Term::Kind::all, std::move(parts));
  return whole ? SkillExpression(*std::move(whole)) : SkillExpression();
}

SkillExpression SkillExpression::renamed(const std::function<std::string(const std::string&)>& name) const {
  std::vector<Term> parts;
  std::vector<Skill> list;
  for (const Skill& skill : all_) {
    if (auto part = rename(least(skill), name)) {
      list.push_back(part->skill);
      parts.push_back(*std::move(part));
    }
  }
  if (is_list()) return list;
  for (const Term& term : terms_) {
    if (auto part = rename(term, name)) parts.push_back(*std::move(part));
  }
  auto whole = join(Term::Kind::all, std::move(parts));
  return whole ? SkillExpression(*std::move(whole)) : SkillExpression();
}

std::vector<SkillExpression> SkillExpression::parts() const {
  std::vector<SkillExpression> out;
  for (const Skill& skill : all_) out.push_back(SkillExpression({skill}));
  for (const Term& term : terms_) out.push_back(SkillExpression(term));
  return out;
}

void SkillExpression::for_each(const std::function<void(const Skill&, bool)>& each) const {
  for (const Skill& skill : all_) each(skill, true);
  for (const Term& term : terms_) visit(term, each);
}

}  // namespace ivr
