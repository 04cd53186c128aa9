#include "ivr/flow_run.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "core/flow_agents.hpp"
#include "core/flow_machine.hpp"
#include "core/flow_prompts.hpp"

namespace ivr {

using namespace flow;

namespace {

constexpr int kErrorFuel = 32;   // visits left for the goodbye after the fuel is out
constexpr int kMaxErrors = 100;  // of one call; then it ends
// So many nodes in one go, and so long until the next: one caller's computing is no other caller's wait. Only
// a flow that asks nobody for anything comes so far.
constexpr int kAtOnce = 200;
constexpr Millis kBreath = 1ms;

}  // namespace

FlowRun::Machine::Machine(std::shared_ptr<const Flow> flow, FlowRunOptions options)
    : flow_(std::move(flow)), model_(flow_->model()), options_(std::move(options)), scope_(model_, options_) {
  fuel_ = options_.fuel;
  random_ = options_.seed;
  visits_.resize(model_.nodes.size());
  if (options_.recorded_way.empty()) return;
  recorded_.resize(model_.nodes.size());
  for (std::size_t i = 0; i < recorded_.size(); ++i) {
    for (const FlowStep& step : options_.recorded_way) {
      if (step.node == model_.nodes[i].name) recorded_[i].push_back(step.exit);
    }
  }
}

void FlowRun::Machine::step(const Outcome& outcome, Time now, ScriptOutput& out) {
  scope_.now = now;
  out_ = &out;
  if (!ended_) {
    if (std::holds_alternative<outcome::Ended>(outcome)) {
      end(std::get<outcome::Ended>(outcome));
    } else if (std::exchange(breathing_, false)) {
      run();
    } else if (at_ < 0) {
      if (const auto* started = std::get_if<outcome::Started>(&outcome); started && !hanging_up_)
        begin(*started);
    } else {
      resume(outcome);
      run();
    }
  }
  out_ = nullptr;
}

void FlowRun::Machine::begin(const outcome::Started& started) {
  begun_ = true;
  scope_.call = started.call;
  if (const int l = model_.language(scope_.call.language); l >= 0) scope_.language = l;
  next_ = model_.start;
  at_ = kNowhere;
  arrive();
  run();
}

void FlowRun::Machine::run() {
  for (int visits = 0; next_ >= 0 && out_->intent.empty(); ++visits) {
    if (visits == kAtOnce) {
      breathing_ = true;
      return want(intent::Wait{kBreath});
    }
    arrive();
  }
  assert(out_->intent.size() == 1 || ended_);
}

void FlowRun::Machine::arrive() {
  came_from_ = at_;
  at_ = next_;
  next_ = kNowhere;
  const Node& n = node();
  if (n.type == NodeType::menu) {
    const auto before = std::find(menus_.begin(), menus_.end(), at_);
    menus_.erase(before, menus_.end());
    menus_.push_back(at_);
  }
  scope_.node = n.name;
  const int visit = ++visits_[static_cast<std::size_t>(at_)];
  out_->notes.push_back(note::NodeEntered{n.name, std::string(n.type_name), visit});
  phase_ = Phase::none;
  if (--fuel_ < 0) return out_of_fuel();
  enter();
}

void FlowRun::Machine::out_of_fuel() {
  if (scope_.over)
    return leave("error", kNowhere, {}, "more than " + std::to_string(options_.fuel) + " nodes");
  if (node().type == NodeType::hangup && fuel_ > -kErrorFuel) return enter();
  const int to = fuel_ == -1 ? model_.on_error : fuel_ > -kErrorFuel ? kNowhere - 1 : kNowhere;
  if (to == kNowhere - 1) return enter();
  leave("error", to, {},
        "more than " + std::to_string(options_.fuel) + " nodes without a key from the caller", "fuel");
}

void FlowRun::Machine::leave(std::string_view exit, int to, std::string input, std::string error,
                             std::string_view reason, std::string output) {
  const Node& n = node();
  if (to == kBack || to == kTop) to = menu_behind(to);
  if (output.empty() && to >= 0)
    append_json(std::string_view(model_.nodes[static_cast<std::size_t>(to)].name), output);
  out_->notes.push_back(note::NodeLeft{n.name, std::string(n.type_name), std::string(exit), std::move(input),
                                       std::move(output), std::move(error)});
  phase_ = Phase::none;
  if (to >= 0) {
    next_ = to;
  } else {
    hang_up(std::string(reason));
  }
}

void FlowRun::Machine::leave(ExitId exit, std::string input, std::string error, std::string output) {
  leave(exit_name(exit), node().at(exit), std::move(input), std::move(error), "error", std::move(output));
}

void FlowRun::Machine::retry(std::string input) {
  int tries = tries_, invalid = invalid_, silent = silent_;
  leave("retry", at_, std::move(input));
  tries_ = tries, invalid_ = invalid, silent_ = silent;
  again_ = true;
}

void FlowRun::Machine::fail(std::string error, std::string input) {
  if (++errors_ > kMaxErrors) return leave("error", kNowhere, std::move(input), std::move(error));
  leave(ExitId::error, std::move(input), std::move(error));
}

void FlowRun::Machine::hang_up(std::string reason) {
  if (scope_.over) {
    ended_ = true;
    at_ = next_ = kNowhere;
    return;
  }
  hanging_up_ = true;
  next_ = kNowhere;
  at_ = kNowhere;
  want(intent::Hangup{std::move(reason), status_});
}

void FlowRun::Machine::end(const outcome::Ended& ended) {
  if (at_ >= 0 && !breathing_) {  // there it has left its node, and not entered the next
    const Node& n = node();
    const char* by = ended.by == outcome::EndedBy::caller   ? "caller"
                     : ended.by == outcome::EndedBy::script ? "script"
                                                            : "system";
    out_->notes.push_back(note::NodeLeft{
        n.name, std::string(n.type_name), "hangup", std::string(), std::string(),
        ended.by == outcome::EndedBy::system ? ended.reason.empty() ? std::string(by) : ended.reason
                                             : std::string()});
  }
  at_ = kNowhere;
  ended_ = true;
  breathing_ = false;
  if (scope_.over || !begun_ || model_.on_hangup < 0) return;
  ended_ = false;
  scope_.over = ended;
  fuel_ = options_.fuel;
  again_ = false;
  next_ = model_.on_hangup;
  run();
}

void FlowRun::Machine::enter() {
  const bool again = std::exchange(again_, false);
  if (!again) tries_ = invalid_ = silent_ = 0;
  attempt_ = 0;
  switch (node().type) {
    case NodeType::welcome: return enter_welcome(again);
    case NodeType::play:
    case NodeType::play_digits:
    case NodeType::play_sequence: {
      const PlayNode& p = body<PlayNode>();
      return play(p.say, p.loops, p.barge, Phase::act);
    }
    case NodeType::menu: return enter_menu(again);
    case NodeType::gather: return enter_gather(again);
    case NodeType::decision: return decide();
    case NodeType::set: return assign();
    case NodeType::api: return fetch();
    case NodeType::record: return enter_record();
    case NodeType::transfer: {
      const TransferNode& t = body<TransferNode>();
      if (t.say.empty()) return dial();
      return play(t.say, 1, kToTheEnd, Phase::say);
    }
    case NodeType::queue: return enter_queue();
    case NodeType::answer: phase_ = Phase::act; return want(intent::Answer{});
    case NodeType::send_digits: return send_digits();
    case NodeType::wait: phase_ = Phase::act; return want(intent::Wait{body<WaitNode>().duration});
    case NodeType::callback: return call_back();
    case NodeType::keywords: return choose_department();
    case NodeType::agent_status: return set_agent_status();
    case NodeType::hangup: {
      const HangupNode& h = body<HangupNode>();
      if (h.say.empty() || scope_.over) return goodbye();
      return play(h.say, 1, kToTheEnd, Phase::goodbye);
    }
  }
}

bool FlowRun::Machine::render(const Say& say, Prompts& prompts) {
  scope_.clear();
  const absl::Status status = flow::render(model_, say, scope_.language, scope_, prompts);
  if (!status.ok()) fail(std::string(status.message()));
  return status.ok();
}

void FlowRun::Machine::play(const Say& say, int loops, const Barge& barge, Phase phase) {
  Prompts prompts;
  scope_.clear();
  const absl::Status status = flow::render(model_, say, scope_.language, scope_, prompts);
  if (!status.ok())
    return phase == Phase::goodbye ? goodbye(std::string(status.message()))
                                   : fail(std::string(status.message()));
  phase_ = phase;
  intent::Play i{std::move(prompts), loops};
  barge.give(i);
  want(std::move(i));
}

void FlowRun::Machine::goodbye(std::string error) {
  const std::string reason = body<HangupNode>().reason;
  status_ = body<HangupNode>().status;
  leave("hangup", kNowhere, {}, std::move(error), reason);
}

void FlowRun::Machine::choose_department() {
  const KeywordsNode& k = body<KeywordsNode>();
  scope_.clear();
  std::string said;
  k.text.render(scope_, Escape::none, said);
  put(k.into, value_of(result_of(k.router->route(said))), scope_.secret, scope_.redacted);
  leave(ExitId::next);
}

void FlowRun::Machine::decide() {
  const DecisionNode& d = body<DecisionNode>();
  scope_.clear();
  if (d.kind == DecisionNode::Kind::time) return leave(by_hours(d.calendar));
  const double draw = d.kind == DecisionNode::Kind::percent ? random() * 100 : 0;
  double sum = 0;
  const Case* taken = nullptr;
  for (const Case& c : d.cases) {
    bool holds = false;
    switch (d.kind) {
      case DecisionNode::Kind::caller:
        holds = c.list.empty() ? matches_caller(c.callers, scope_.call.caller)
                               : scope_.on_list(c.list, c.callers);
        break;
      case DecisionNode::Kind::percent: holds = draw < (sum += c.percent); break;
      case DecisionNode::Kind::custom:
      case DecisionNode::Kind::variable:
      case DecisionNode::Kind::time: holds = c.when.test(scope_); break;
    }
    if (holds) {
      taken = &c;
      break;
    }
  }
  if (goes_by_record()) {
    taken = nullptr;
    for (const Case& c : d.cases) {
      if (c.exit == recorded()) taken = &c;
    }
  }
  if (taken) return leave(taken->exit, taken->target);
  leave(ExitId::otherwise);
}

std::string_view FlowRun::Machine::recorded() const {
  if (recorded_.empty()) return {};
  const auto& exits = recorded_[static_cast<std::size_t>(at_)];
  const auto visit = static_cast<std::size_t>(visits_[static_cast<std::size_t>(at_)]) - 1;
  return visit < exits.size() ? exits[visit] : std::string_view();
}

bool FlowRun::Machine::goes_by_record() {
  if (!scope_.redacted) return false;
  if (!recorded().empty()) return true;
  if (scope_.unknown && guessed_.empty()) guessed_ = node().name;
  return false;
}

ExitId FlowRun::Machine::by_hours(const std::string& calendar) {
  constexpr std::pair<CalendarState, ExitId> kExit[] = {{CalendarState::open, ExitId::open},
                                                        {CalendarState::closed, ExitId::closed},
                                                        {CalendarState::emergency, ExitId::emergency}};
  const CalendarState state = scope_.calendar(calendar);
  const bool by_record = goes_by_record();
  ExitId taken = ExitId::closed;
  for (const auto& [when, exit] : kExit) {
    if (by_record ? exit_name(exit) == recorded() : when == state) taken = exit;
  }
  return node().at(taken) < 0 ? ExitId::closed : taken;  // the emergency exit may be open
}

// SplitMix64: the same numbers on every machine.
double FlowRun::Machine::random() {
  std::uint64_t z = random_ += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return static_cast<double>((z ^ z >> 31) >> 11) * 0x1p-53;
}

void FlowRun::Machine::assign() {
  for (const SetNode::Assignment& a : body<SetNode>().assignments) {
    scope_.clear();
    const View v = a.text         ? a.text->value(scope_)
                   : a.expression ? a.expression->eval(scope_)
                                  : view(a.literal);
    if (a.slot >= 0) {
      put(a.slot, own(v), scope_.secret || a.secret, scope_.redacted);
    } else if (const auto* s = std::get_if<std::string_view>(&v)) {
      if (const int l = model_.language(*s); l >= 0) choose(l);
    }
  }
  leave(ExitId::next);
}

void FlowRun::Machine::put(int slot, Value value, bool is_secret, bool is_redacted) {
  if (slot < 0) return;
  out_->notes.push_back(
      note::VariableSet{model_.names.name(slot), scope_.set(slot, std::move(value), is_secret, is_redacted)});
}

void FlowRun::Machine::choose(int language) {
  scope_.language = language;
  out_->notes.push_back(note::LanguageChosen{scope_.language_name()});
}

void FlowRun::Machine::resume(const Outcome& outcome) {
  if (const auto* played = std::get_if<outcome::Played>(&outcome)) return after_play(*played);
  if (const auto* collected = std::get_if<outcome::Collected>(&outcome); collected && phase_ == Phase::ask) {
    if (!collected->digits.empty() || collected->end == outcome::CollectEnd::terminator)
      fuel_ = options_.fuel;
    if (node().type == NodeType::menu) return menu_key(*collected);
    if (node().type == NodeType::gather) return gathered(*collected);
    if (node().type == NodeType::welcome) return language_key(*collected);
  }
  if (const auto* collected = std::get_if<outcome::Collected>(&outcome);
      collected && phase_ == Phase::confirm) {
    if (!collected->digits.empty()) fuel_ = options_.fuel;
    return confirmed(*collected);
  }
  if (const auto* reply = std::get_if<outcome::Fetched>(&outcome);
      reply && node().type == NodeType::api && phase_ == Phase::act) {
    return fetched(*reply);
  }
  if (std::holds_alternative<outcome::Waited>(outcome)) {
    if (node().type == NodeType::api && phase_ == Phase::pause) return fetch();
    if (node().type == NodeType::wait) return leave(ExitId::next);
  }
  if (std::holds_alternative<outcome::Answered>(outcome) && node().type == NodeType::answer) {
    return leave(ExitId::next);
  }
  if (std::holds_alternative<outcome::DigitsSent>(outcome) && node().type == NodeType::send_digits) {
    return leave(ExitId::next);
  }
  if (const auto* recorded = std::get_if<outcome::Recorded>(&outcome);
      recorded && node().type == NodeType::record) {
    return after_record(*recorded);
  }
  if (node().type == NodeType::transfer || node().type == NodeType::queue) {
    if (const auto* talked = std::get_if<outcome::Transferred>(&outcome)) return after_transfer(*talked);
    if (const auto* news = std::get_if<outcome::QueueNews>(&outcome)) return announce(*news);
    if (const auto* queued = std::get_if<outcome::Queued>(&outcome)) return after_queue(*queued);
  }
  if (const auto* callback = std::get_if<outcome::CallbackTaken>(&outcome);
      callback && node().type == NodeType::callback) {
    return callback->taken ? leave(ExitId::next) : fail("there is no place in a queue to keep");
  }
  if (const auto* set = std::get_if<outcome::AgentStatusSet>(&outcome);
      set && node().type == NodeType::agent_status) {
    return after_agent_status(*set);
  }
  fail("an outcome that does not answer what was asked for");
}

void FlowRun::Machine::after_play(const outcome::Played& played) {
  const bool failed = played.end == outcome::PlayEnd::failed;
  switch (phase_) {
    case Phase::goodbye:
      return goodbye(failed ? played.error.empty() ? "the prompt could not be played" : played.error : "");
    case Phase::say:
      if (failed) return fail(played.error.empty() ? "the prompt could not be played" : played.error);
      if (node().type == NodeType::transfer) return dial();
      if (node().type == NodeType::menu)
        return leave(was_silent_ ? ExitId::no_input : ExitId::invalid, keys_);
      break;
    case Phase::act:
      if (failed) return fail(played.error.empty() ? "the prompt could not be played" : played.error);
      if (node().type == NodeType::welcome || std::holds_alternative<PlayNode>(node().body)) {
        if (played.end == outcome::PlayEnd::interrupted) fuel_ = options_.fuel;
        return leave(ExitId::next);
      }
      break;
    // A question that could not be spoken comes back as Played too.
    case Phase::ask:
    case Phase::confirm:
      if (failed) return fail(played.error.empty() ? "the prompt could not be played" : played.error);
      break;
    case Phase::pause:
    case Phase::refer:
    case Phase::none: break;
  }
  fail("an outcome that does not answer what was asked for");
}

FlowRun::FlowRun(std::shared_ptr<const Flow> flow, FlowRunOptions options)
    : machine_(std::make_unique<Machine>(std::move(flow), std::move(options))) {}
FlowRun::~FlowRun() = default;

void FlowRun::step(const Outcome& outcome, Time now, ScriptOutput& out) { machine_->step(outcome, now, out); }
std::string FlowRun::variables_json() const { return machine_->variables_json(); }
const std::string& FlowRun::language() const noexcept { return machine_->language(); }
const std::string& FlowRun::node() const noexcept { return machine_->node_name(); }
bool FlowRun::ended() const noexcept { return machine_->ended(); }
const std::string& FlowRun::guessed() const noexcept { return machine_->guessed(); }
const std::shared_ptr<const Flow>& FlowRun::flow() const noexcept { return machine_->flow(); }

}  // namespace ivr
