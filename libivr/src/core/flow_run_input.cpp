#include "core/flow_machine.hpp"

namespace ivr {

using namespace flow;

namespace {

// Its place among the choices, or -1.
int choice_of(const MenuNode& menu, const std::string& digits) {
  if (menu.many) return menu.map->judge(digits).entry;
  for (std::size_t i = 0; i < menu.choices.size(); ++i) {
    if (menu.choices[i].exit == digits) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

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
  // Who asks for the menu by a key of its own wants to hear all of it.
  const bool back = m.short_on_return && visits_[static_cast<std::size_t>(at_)] > 1 && came_from_ != at_;
  intent::Collect c;
  if (!prompts_of(again, (again || back) && !m.short_say.empty() ? m.short_say : m.say, m.invalid_say,
                  m.no_input_say, c.prompts))
    return;
  m.barge.give(c);
  if (m.many) {
    c.max = kMaxMenuKeys;
    c.map = m.map;
  }
  c.terminators = m.terminators;
  c.first_timeout = m.timeout;
  c.digit_timeout = m.digit_timeout;
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
  if (again && !was_refused_ && !render(was_silent_ ? no_input : invalid, prompts)) return false;
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
  const int chosen = choice_of(m, c.digits);
  if (chosen < 0) {
    const bool silent = c.digits.empty() && c.end != outcome::CollectEnd::terminator;
    return missed(silent, m.tries, m.max_invalid, m.max_no_input, c.digits);
  }
  const Choice& choice = m.choices[static_cast<std::size_t>(chosen)];
  if (m.into >= 0) put(m.into, c.digits, false);
  if (!choice.slots.empty()) {
    const auto captures = m.map->captures(chosen, c.digits);
    for (std::size_t i = 0; i < choice.slots.size(); ++i) put(choice.slots[i], captures[i].second, false);
  }
  if (!m.confirm) return leave(choice.exit, choice.target, c.digits);
  chosen_ = &choice;
  keys_ = c.digits;
  ask_to_confirm();
}

// Keys typed ahead cannot confirm what they were typed before.
void FlowRun::Machine::ask_to_confirm() {
  const MenuNode& m = body<MenuNode>();
  intent::Collect c;
  if (!render(m.confirm->say, c.prompts)) return;
  m.barge.give(c);
  c.terminators.clear();
  c.first_timeout = m.confirm->timeout;
  c.carry = false;
  phase_ = Phase::confirm;
  want(std::move(c));
}

void FlowRun::Machine::confirmed(const outcome::Collected& c) {
  const MenuNode& m = body<MenuNode>();
  if (!c.digits.empty() && c.digits[0] == m.confirm->key) return leave(chosen_->exit, chosen_->target, keys_);
  if (c.digits.empty() && ++attempt_ < m.confirm->attempts) return ask_to_confirm();
  missed(c.digits.empty(), m.tries, m.max_invalid, m.max_no_input, keys_, !c.digits.empty());
}

int FlowRun::Machine::menu_behind(int way) const {
  if (way == kTop) return menus_.front();
  return menus_.size() > 1 ? menus_[menus_.size() - 2] : menus_.back();
}

void FlowRun::Machine::gathered(const outcome::Collected& c) {
  const GatherNode& g = body<GatherNode>();
  const std::string shown = g.sensitive ? std::string(c.digits.size(), '*') : c.digits;
  // The terminator alone is an answer, and a wrong one.
  const bool silent =
      c.end == outcome::CollectEnd::no_input || (c.digits.empty() && c.end == outcome::CollectEnd::timeout);
  if (silent) return missed(true, g.tries, 0, 0, "");
  scope_.clear();
  scope_.redacted = scope_.unknown = c.redacted;
  if (goes_by_record() ? recorded() == "next" : valid(g, c.digits)) {
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
  return !g.pattern || g.pattern->judge(digits).entry >= 0;
}

void FlowRun::Machine::missed(bool silent, int tries, int max_invalid, int max_silent, std::string input,
                              bool refused) {
  was_silent_ = silent;
  was_refused_ = refused;
  ++tries_;
  ++(silent ? silent_ : invalid_);
  const int limit = silent ? max_silent : max_invalid;
  // Kinds with a limit of their own are not counted among the tries.
  const int counted = tries_ - (max_silent ? silent_ : 0) - (max_invalid ? invalid_ : 0);
  const bool over = limit ? (silent ? silent_ : invalid_) >= limit : counted >= tries;
  if (!over) return retry(std::move(input));
  if (const auto* menu = std::get_if<MenuNode>(&node().body); menu && !menu->exit_say.empty()) {
    keys_ = std::move(input);
    return play(menu->exit_say, 1, kToTheEnd, Phase::say);
  }
  leave(silent ? ExitId::no_input : ExitId::invalid, std::move(input));
}

}  // namespace ivr
