#include "core/flow_machine.hpp"

namespace ivr {

using namespace flow;

void FlowRun::Machine::enter_welcome(bool again) {
  const WelcomeNode& w = body<WelcomeNode>();
  if (!w.choose) {
    if (w.language >= 0) choose(w.language);
    if (w.say.empty()) return leave(ExitId::next);
    return play(w.say, 1, w.barge, Phase::act);
  }
  intent::Collect c;
  if (!again && !render(w.say, c.prompts)) return;
  if (!render(w.ask.empty() && again ? w.say : w.ask, c.prompts)) return;
  w.barge.give(c);
  c.terminators.clear();
  c.first_timeout = w.timeout;
  phase_ = Phase::ask;
  want(std::move(c));
}

void FlowRun::Machine::enter_menu(bool again) {
  const MenuNode& m = body<MenuNode>();
  intent::Collect c;
  if (!prompts_of(again, again && !m.short_say.empty() ? m.short_say : m.say, m.invalid_say, m.no_input_say,
                  c.prompts))
    return;
  m.barge.give(c);
  c.terminators.clear();
  c.first_timeout = m.timeout;
  c.carry = m.carry;
  phase_ = Phase::ask;
  want(std::move(c));
}

void FlowRun::Machine::enter_gather(bool again) {
  const GatherNode& g = body<GatherNode>();
  intent::Collect c;
  if (!prompts_of(again, again && !g.short_say.empty() ? g.short_say : g.say, g.invalid_say, g.no_input_say,
                  c.prompts))
    return;
  g.barge.give(c);
  c.min = g.min;
  c.max = g.max;
  c.terminators = g.terminators;
  c.first_timeout = g.timeout;
  c.digit_timeout = g.digit_timeout;
  c.carry = g.carry;
  c.sensitive = g.sensitive;
  phase_ = Phase::ask;
  want(std::move(c));
}

bool FlowRun::Machine::prompts_of(bool again, const Say& say, const Say& invalid, const Say& no_input,
                                  Prompts& prompts) {
  if (again && !render(was_silent_ ? no_input : invalid, prompts)) return false;
  return render(say, prompts);
}

void FlowRun::Machine::language_key(const outcome::Collected& c) {
  const WelcomeNode& w = body<WelcomeNode>();
  const int key = c.digits.empty() ? -1 : key_index(c.digits[0]);
  const int chosen = key < 0 ? -1 : w.languages[static_cast<std::size_t>(key)];
  if (chosen >= 0) {
    choose(chosen);
    return leave(ExitId::next, c.digits);
  }
  was_silent_ = c.digits.empty();
  if (++tries_ < w.tries) return retry(c.digits);
  choose(w.language >= 0 ? w.language : scope_.language);
  leave(ExitId::next, c.digits);
}

void FlowRun::Machine::menu_key(const outcome::Collected& c) {
  const MenuNode& m = body<MenuNode>();
  const int key = c.digits.empty() ? -1 : key_index(c.digits[0]);
  const int to = key < 0 ? kNowhere : m.keys[static_cast<std::size_t>(key)];
  if (to >= 0) {
    if (m.into >= 0) put(m.into, c.digits, false);
    return leave(c.digits, to, c.digits);
  }
  missed(c.digits.empty(), m.tries, m.max_invalid, m.max_no_input, c.digits);
}

void FlowRun::Machine::gathered(const outcome::Collected& c) {
  const GatherNode& g = body<GatherNode>();
  const std::string shown = g.sensitive ? std::string(c.digits.size(), '*') : c.digits;
  // The terminator alone is an answer, and a wrong one.
  const bool silent =
      c.end == outcome::CollectEnd::no_input || (c.digits.empty() && c.end == outcome::CollectEnd::timeout);
  if (silent) return missed(true, g.tries, 0, 0, "");
  if (c.redacted ? recorded() == "next" : valid(g, c.digits)) {
    put(g.into, c.digits, g.sensitive, c.redacted);
    return leave(ExitId::next, shown);
  }
  missed(false, g.tries, 0, 0, shown);
}

bool FlowRun::Machine::valid(const GatherNode& g, const std::string& digits) {
  if (static_cast<int>(digits.size()) < g.min || static_cast<int>(digits.size()) > g.max) return false;
  if (g.low) {
    const auto n = number(std::string_view(digits));
    if (!n || n->d < *g.low || n->d > *g.high) return false;
  }
  if (g.pattern) {
    try {
      return std::regex_match(digits, *g.pattern);
    } catch (const std::regex_error&) {  // too complex for its stack
      return false;
    }
  }
  return true;
}

void FlowRun::Machine::missed(bool silent, int tries, int max_invalid, int max_silent, std::string input) {
  was_silent_ = silent;
  ++tries_;
  ++(silent ? silent_ : invalid_);
  const int limit = silent ? max_silent : max_invalid;
  // Kinds with a limit of their own are not counted among the tries.
  const int counted = tries_ - (max_silent ? silent_ : 0) - (max_invalid ? invalid_ : 0);
  const bool over = limit ? (silent ? silent_ : invalid_) >= limit : counted >= tries;
  if (!over) return retry(std::move(input));
  leave(silent ? ExitId::no_input : ExitId::invalid, std::move(input));
}

}  // namespace ivr
