#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "core/flow_graph.hpp"

// Cases of a decision that no call can take. What a condition asks of a value divides all values into a few
// kinds: one value of each kind is tried, so that the answer is that of the conditions themselves. A
// condition that asks for more than how a value compares with a constant says nothing here, neither of itself
// nor of those after it.

namespace ivr::flow {

namespace {

using CaseOp = Expression::Op;

constexpr std::size_t kMaxKinds = 20'000;  // of values together, in one decision
constexpr int kMaxContains = 3;

bool is_ordering(CaseOp op) {
  return op == CaseOp::less || op == CaseOp::less_equal || op == CaseOp::greater ||
         op == CaseOp::greater_equal;
}
bool is_containing(CaseOp op) { return op == CaseOp::contains || op == CaseOp::not_contains; }

std::string key_of(const Path& path) {
  std::string key = std::to_string(static_cast<int>(path.root)) + " " + std::to_string(path.slot);
  for (const std::string& part : path.rest) key += "." + part;
  return key;
}

// What the conditions ask about one value.
struct Asked {
  Path path;
  std::vector<Value> literals, contained;
  bool ordered = false, strange = false;
};
using AllAsked = std::map<std::string, Asked>;

// False when the condition asks for more.
bool gather_asked(const Expression& e, const Expression::Node& n, AllAsked& all) {
  const auto child = [&](int i) -> const Expression::Node& { return e.node(i); };
  const auto ask = [&](const Path& path) -> Asked& {
    Asked& asked = all[key_of(path)];
    asked.path = path;
    return asked;
  };
  switch (n.op) {
    case CaseOp::literal: return true;
    case CaseOp::path: ask(n.path); return true;
    case CaseOp::not_: return gather_asked(e, child(n.a), all);
    case CaseOp::and_:
    case CaseOp::or_: return gather_asked(e, child(n.a), all) && gather_asked(e, child(n.b), all);
    case CaseOp::exists:
    case CaseOp::not_exists:
      if (child(n.a).op != CaseOp::path) return false;
      ask(child(n.a).path);
      return true;
    case CaseOp::equals:
    case CaseOp::not_equals:
    case CaseOp::less:
    case CaseOp::less_equal:
    case CaseOp::greater:
    case CaseOp::greater_equal:
    case CaseOp::contains:
    case CaseOp::not_contains: {
      const Expression::Node *a = &child(n.a), *b = &child(n.b);
      if (!is_containing(n.op) && a->op == CaseOp::literal) std::swap(a, b);
      if (a->op != CaseOp::path || b->op != CaseOp::literal) return false;
      Asked& asked = ask(a->path);
      if (is_containing(n.op)) {
        asked.contained.push_back(b->literal);
      } else {
        asked.literals.push_back(b->literal);
      }
      if (is_ordering(n.op)) {
        asked.ordered = true;
        // "18" is ordered as a number beside numbers and as a text beside texts.
        const View literal = view(b->literal);
        asked.strange = asked.strange || (literal.index() == 4 && number(literal));
      }
      return true;
    }
    default: return false;
  }
}

Value json_value(Json json) { return value_of(json); }

// One value of every kind; empty: cannot be told.
std::vector<Value> kinds_of(const Model& model, const Asked& asked) {
  using Root = Path::Root;
  std::vector<Value> kinds;
  const auto texts = [&](std::initializer_list<const char*> all) {
    for (const char* one : all) kinds.emplace_back(std::string(one));
  };
  const auto numbers = [&](int below) {
    for (std::int64_t i = 0; i < below; ++i) kinds.emplace_back(i);
  };
  switch (asked.path.root) {
    case Root::language:
      for (const std::string& language : model.languages) kinds.emplace_back(language);
      return kinds;
    case Root::call_direction: texts({"inbound", "outbound"}); return kinds;
    case Root::hangup_by:
      kinds.emplace_back(std::monostate{});
      texts({"caller", "script", "system"});
      return kinds;
    case Root::now_hour: numbers(24); return kinds;
    case Root::now_minute: numbers(60); return kinds;
    case Root::now_weekday:
      texts({"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"});
      return kinds;
    case Root::calendar_open: return {Value(true), Value(false)};
    case Root::calendar_state: texts({"open", "closed", "emergency"}); return kinds;
    default: break;
  }
  const int contains = static_cast<int>(asked.contained.size());
  if (asked.strange || contains > kMaxContains || (contains > 0 && asked.ordered)) return {};
  kinds = {Value(std::monostate{}),
           Value(false),
           Value(true),
           Value(std::string()),
           Value(std::string("\x02")),
           json_value(Json::object()),
           json_value(Json::array())};
  std::set<double> points = {0};
  const auto text_kind = [&](std::string text) {
    kinds.emplace_back(text);
    kinds.emplace_back(std::move(text) + "\x01");  // the next one behind it
  };
  for (const Value& literal : asked.literals) {
    kinds.push_back(literal);
    const View v = view(literal);
    if (const auto n = number(v)) points.insert(n->d);
    if (v.index() != 0) text_kind(text(v));
  }
  const auto number_kind = [&](double d) {
    const View v = view(Number{d == std::floor(d) && std::abs(d) < 9e15, static_cast<std::int64_t>(d), d});
    kinds.push_back(own(v));
    const std::string as_text = text(v);
    kinds.emplace_back(as_text);
    const bool negative = as_text[0] == '-';  // the same number, another text
    kinds.emplace_back((negative ? "-0" : "0") + as_text.substr(negative ? 1 : 0));
  };
  std::optional<double> before;
  for (const double point : points) {
    if (std::abs(point) > 9e15) return {};
    number_kind(before ? *before + (point - *before) / 2 : point - 1);
    number_kind(point);
    before = point;
  }
  number_kind(*before + 1);
  for (int some = 1; some < 1 << contains; ++some) {
    std::string joined;
    Json list = Json::array(), object = Json::object();
    for (int i = 0; i < contains; ++i) {
      if ((some >> i & 1) == 0) continue;
      const View v = view(asked.contained[static_cast<std::size_t>(i)]);
      joined += text(v) + "\x03";
      std::string json;
      append_json(v, json);
      list.push_back(Json::parse(json, nullptr, false));
      object[text(v)] = 1;
    }
    kinds.emplace_back(joined);
    kinds.push_back(json_value(std::move(list)));
    kinds.push_back(json_value(std::move(object)));
  }
  return kinds;
}

class KindReader : public Reader {
 public:
  View read(const Path& path) override {
    for (const auto& [known, value] : values) {
      if (known->root == path.root && known->slot == path.slot && known->rest == path.rest)
        return view(*value);
    }
    return {};
  }
  std::vector<std::pair<const Path*, const Value*>> values;
};

class CaseCheck {
 public:
  CaseCheck(const Model& model, std::vector<Finding>& findings) : model_(model), findings_(findings) {}

  void look_at(const Node& node, const DecisionNode& decision) {
    switch (decision.kind) {
      case DecisionNode::Kind::caller: return callers(node, decision);
      case DecisionNode::Kind::custom:
      case DecisionNode::Kind::variable: return conditions(node, decision);
      case DecisionNode::Kind::time:
      case DecisionNode::Kind::percent: return;
    }
  }

 private:
  void dead(const Node& node, std::size_t i, const std::string& why) {
    const auto& cases = std::get<DecisionNode>(node.body).cases;
    findings_.push_back({"dead-case", Severity::warning, node.pointer + "/cases/" + std::to_string(i),
                         "'" + cases[i].exit + "' is never taken: " + why,
                         "mend its condition, put it before the other, or remove it"});
  }

  static std::string taken_by(const std::string& exit) {
    return "'" + exit + "' before it takes all that fits it";
  }

  // A list of the site goes before one of the document: what is on it is not known here.
  void callers(const Node& node, const DecisionNode& decision) {
    for (std::size_t i = 0; i < decision.cases.size(); ++i) {
      const Case& one = decision.cases[i];
      if (one.list.empty() && one.callers.empty()) {
        dead(node, i, "its list of callers is empty");
        continue;
      }
      for (std::size_t j = 0; j < i && budget_ > 0; ++j) {
        const Case& before = decision.cases[j];
        const bool same_list = !one.list.empty() && one.list == before.list;
        const bool covered =
            one.list.empty() && before.list.empty() &&
            std::all_of(one.callers.begin(), one.callers.end(),
                        [&](const std::string& caller) { return covers(before.callers, caller); });
        if (!same_list && !covered) continue;
        dead(node, i, taken_by(before.exit));
        break;
      }
    }
  }
  bool covers(const std::vector<std::string>& callers, const std::string& caller) {
    budget_ -= static_cast<std::int64_t>(callers.size());
    return std::any_of(callers.begin(), callers.end(), [&](const std::string& one) {
      if (one == caller) return true;
      return !one.empty() && one.back() == '*' &&
             caller.compare(0, one.size() - 1, one, 0, one.size() - 1) == 0;
    });
  }

  void conditions(const Node& node, const DecisionNode& decision) {
    std::vector<const Case*>
        known;  // by case; none: it asks for more, or for too much together with the others
    std::size_t some = 0;
    AllAsked all;
    for (const Case& one : decision.cases) {
      AllAsked own;
      const bool told =
          !one.when.is_constant() && gather_asked(one.when, one.when.root(), own) && small(all, own);
      known.push_back(told ? &one : nullptr);
      if (!told) continue;
      ++some;
      for (auto& [key, asked] : own) {
        Asked& both = all[key];
        both.path = asked.path;
        both.literals.insert(both.literals.end(), asked.literals.begin(), asked.literals.end());
        both.contained.insert(both.contained.end(), asked.contained.begin(), asked.contained.end());
        both.ordered = both.ordered || asked.ordered;
        both.strange = both.strange || asked.strange;
      }
    }
    std::size_t product = 1;
    for (const auto& [key, asked] : all)
      product *= most_kinds(asked.path, asked.literals.size(), asked.contained.size());
    budget_ -= static_cast<std::int64_t>(product * some);
    if (some > 0 && budget_ > 0) try_all(node, known, all);
  }

  // At least as many as kinds_of() finds.
  std::size_t most_kinds(const Path& path, std::size_t literals, std::size_t contained) const {
    switch (path.root) {
      case Path::Root::language: return model_.languages.size();
      case Path::Root::now_minute: return 60;
      case Path::Root::now_hour: return 24;
      case Path::Root::now_weekday: return 7;
      case Path::Root::call_direction:
      case Path::Root::hangup_by:
      case Path::Root::calendar_open:
      case Path::Root::calendar_state: return 4;
      default: break;
    }
    // Of each literal itself, its text and the next one; three of the number, and of what lies below it.
    return 16 + 9 * literals +
           (contained > static_cast<std::size_t>(kMaxContains) ? 0 : std::size_t{3} << contained);
  }

  // Are the kinds of all of these together few enough?
  bool small(const AllAsked& all, const AllAsked& own) const {
    std::size_t product = 1;
    const auto count = [&](const Path& path, std::size_t literals, std::size_t contained) {
      product = std::min(kMaxKinds + 1, product * most_kinds(path, literals, contained));
    };
    for (const auto& [key, asked] : all) {
      if (!own.contains(key)) count(asked.path, asked.literals.size(), asked.contained.size());
    }
    for (const auto& [key, asked] : own) {
      Asked both = asked;
      std::size_t literals = asked.literals.size(), contained = asked.contained.size();
      if (const auto known = all.find(key); known != all.end()) {
        literals += known->second.literals.size(), contained += known->second.contained.size();
        both.ordered = both.ordered || known->second.ordered;
      }
      if (both.strange || contained > static_cast<std::size_t>(kMaxContains) ||
          (contained > 0 && both.ordered))
        return false;
      count(asked.path, literals, contained);
    }
    return product <= kMaxKinds;
  }

  void try_all(const Node& node, const std::vector<const Case*>& known, const AllAsked& all) {
    std::vector<std::vector<Value>> kinds;
    KindReader reader;
    for (const auto& [key, asked] : all) {
      kinds.push_back(kinds_of(model_, asked));
      reader.values.emplace_back(&asked.path, nullptr);
    }
    constexpr std::size_t kNone = static_cast<std::size_t>(-1), kSeveral = kNone - 1;
    std::vector<bool> taken(known.size());
    std::vector<std::size_t> taker(known.size(), kNone);  // of what fits a case: the one before it
    std::vector<std::size_t> digit(kinds.size());
    for (bool more = true; more;) {
      for (std::size_t p = 0; p < kinds.size(); ++p) reader.values[p].second = &kinds[p][digit[p]];
      std::size_t first = kNone;
      for (std::size_t i = 0; i < known.size(); ++i) {
        if (known[i] == nullptr || (taken[i] && first != kNone)) continue;
        reader.clear();
        if (!known[i]->when.test(reader)) continue;
        if (first == kNone) {
          first = i;
          taken[i] = true;
        } else {
          taker[i] = taker[i] == kNone || taker[i] == first ? first : kSeveral;
        }
      }
      more = false;
      for (std::size_t p = 0; p < kinds.size() && !more; ++p) {
        more = ++digit[p] < kinds[p].size();
        if (!more) digit[p] = 0;
      }
    }
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (known[i] == nullptr || taken[i]) continue;
      dead(node, i,
           taker[i] == kNone      ? "nothing fits it"
           : taker[i] == kSeveral ? "those before it take all that fits it"
                                  : taken_by(known[taker[i]]->exit));
    }
  }

  const Model& model_;
  std::vector<Finding>& findings_;
  std::int64_t budget_ = 2'000'000;
};

}  // namespace

void check_cases(const Graph& graph, std::vector<Finding>& findings) {
  CaseCheck check(graph.model, findings);
  for (const Node& node : graph.model.nodes) {
    if (const auto* decision = std::get_if<DecisionNode>(&node.body)) check.look_at(node, *decision);
  }
}

}  // namespace ivr::flow
