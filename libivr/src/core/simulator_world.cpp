#include "core/simulator_world.hpp"

#include <algorithm>

#include "ivr/event_log.hpp"

// The clock, the calls, and what their sessions want.

namespace ivr::simulation {
namespace {

constexpr Micros kAfterDay = 4h;  // the last calls may take so long

std::uint64_t flow_seed(std::string_view id) {  // as flow_route() has it: FNV-1a
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

}  // namespace

// ---------------------------------------------------------------------------------------- arrivals

Arrivals::Arrivals(const SimulatorOptions& options, int day)
    : rates_(&own_), day_(options.day), draw_(seed_of(options.seed, static_cast<std::uint64_t>(day), 1)) {
  for (const double rate : options.per_hour) {
    const double millionths = rate * 1e6;
    own_.push_back(static_cast<std::uint64_t>(millionths));
  }
}

// The next one comes when as much of the rates has passed as an exponential draw says.
std::optional<Micros> Arrivals::next() {
  constexpr std::int64_t kHour = 3'600'000'000;
  Wide need = (Wide(draw_.exponential()) * (Wide(kHour) * 1'000'000)) >> 32;
  while (at_ < day_) {
    const std::int64_t hour = at_.count() / kHour;
    const std::uint64_t rate = (*rates_)[static_cast<std::size_t>(hour) % rates_->size()];
    const std::int64_t left = std::min((hour + 1) * kHour, std::int64_t{day_.count()}) - at_.count();
    if (const Wide has = Wide(static_cast<std::uint64_t>(left)) * rate; has <= need) {
      need -= has;
      at_ += Micros(left);
    } else {
      at_ += Micros(static_cast<std::int64_t>(need / rate));
      return at_;
    }
  }
  return std::nullopt;
}

// ------------------------------------------------------------------------- what a flow wants is seen

// The flow's own script, and a look at what it says on the way.
class World::Watched final : public Script {
 public:
  Watched(World& world, FlowRunOptions options)
      : world_(world), run_(world.options_.flow, std::move(options)) {}
  void watch(Call& call) { call_ = &call; }

  void step(const Outcome& outcome, Time now, ScriptOutput& out) override {
    run_.step(outcome, now, out);
    for (const Note& note : out.notes) {
      if (const auto* entered = std::get_if<note::NodeEntered>(&note)) world_.entered(*call_, entered->node);
      if (const auto* left = std::get_if<note::NodeLeft>(&note)) world_.left(*call_, left->node, left->exit);
    }
    if (!out.intent.empty()) see(out.intent.front());
  }
  std::string variables() const override { return run_.variables(); }

 private:
  void see(const Intent& intent) {
    Call::Asked asked;
    using What = Call::Asked::What;
    if (const auto* collect = std::get_if<intent::Collect>(&intent)) {
      asked.what = What::keys;
      asked.min = collect->min;
      asked.max = collect->max;
      asked.terminator = collect->terminators.empty() ? '\0' : collect->terminators[0];
      asked.may_barge = collect->barge_in == BargeIn::digits || collect->barge_in == BargeIn::both;
      asked.grace = collect->grace;
      asked.map = collect->map;
      asked.confirms = std::exchange(call_->asked_here, true);
    } else if (const auto* record = std::get_if<intent::Record>(&intent)) {
      asked.what = What::recording;
      asked.terminator = record->finish_keys.empty() ? '\0' : record->finish_keys[0];
    } else if (const auto* queue = std::get_if<intent::Queue>(&intent)) {
      if (call_->want) return;  // it was asked before, and waits
      asked.what = What::queue;
      asked.exit_keys = queue->exit_keys;
    } else if (std::holds_alternative<intent::Transfer>(intent)) {
      asked.what = What::far_side;
    } else if (const auto* play = std::get_if<intent::Play>(&intent);
               play != nullptr && play->loops == 0 && play->barge_in != BargeIn::none) {
      asked.what = What::keys;  // it ends with a key, or with the call
      asked.may_barge = asked.endless = true;
    }
    call_->asked = std::move(asked);
  }

  World& world_;
  FlowRun run_;
  Call* call_ = nullptr;
};

void World::entered(Call& call, const std::string& name) {
  const auto found = node_numbers_.find(name);
  if (found == node_numbers_.end()) return;
  SimulatedNode& node = result_.nodes[static_cast<std::size_t>(found->second)];
  ++node.visits;
  if (call.from >= 0 && call.exit != "retry") {
    auto& ways = result_.nodes[static_cast<std::size_t>(call.from)].ways;
    const auto way = std::find_if(ways.begin(), ways.end(),
                                  [&](const SimulatedWay& w) { return w.exit == call.exit && w.to == name; });
    if (way != ways.end()) {
      ++way->calls;
    } else {
      ways.push_back({call.exit, name, 1, true});
    }
  }
  call.node = found->second;
  call.asked_here = false;
  if (!call.reached_goal && goals_[static_cast<std::size_t>(call.node)]) {
    call.reached_goal = true;
    ++result_.goals;
  }
}

void World::left(Call& call, const std::string& name, const std::string& exit) {
  const auto found = node_numbers_.find(name);
  if (found == node_numbers_.end()) return;
  call.from = found->second;
  call.exit = exit;
}

// ------------------------------------------------------------------------------------------- a day

World::World(const SimulatorOptions& options, int day, std::int64_t calls, SimulationResult& result,
             Observer* observer)
    : options_(options),
      model_(options.flow->model()),
      result_(result),
      observer_(observer),
      day_(day),
      calls_(calls),
      now_(options.start + Micros(options.day) * day),
      end_(now_ + options.day + kAfterDay),
      arrivals_(options, day),
      router_({.seed = seed_of(options.seed, static_cast<std::uint64_t>(day), 2), .explain_limit = 0}) {
  for (std::size_t i = 0; i < model_.nodes.size(); ++i)
    node_numbers_[model_.nodes[i].name] = static_cast<int>(i);
  goals_.resize(model_.nodes.size());
  for (const std::string& goal : options.goals) {
    if (const auto found = node_numbers_.find(goal); found != node_numbers_.end())
      goals_[static_cast<std::size_t>(found->second)] = true;
  }
  reply_times_.resize(options.replies.size());
  const auto set = [this](const QueueOptions& queue) {
    in_time_[queue.id] = queue.service_level;
    post(acd::QueueSet{queue});
  };
  agents_.reserve(options.agents.size());
  for (const AgentOptions& agent : options.agents) {
    const auto own = options.agents_by_id.find(agent.id);
    agent_numbers_[agent.id] = static_cast<int>(agents_.size());
    Agent& here = agents_.emplace_back();
    here.options = &agent;
    here.acts = own == options.agents_by_id.end() ? &options.agent : &own->second;
    post(acd::AgentSet{agent});
    post(acd::AgentReachable{agent.id, true});
  }
  for (const QueueOptions& queue : options.queues) set(queue);
  for (const QueueOptions& queue : options.flow->queues()) set(queue);
  shifts();
}

World::~World() = default;

void World::run() {
  agenda_.push({end_, ++number_, 0, 0, 0, kNobody, What::cut_off, 0});
  arrive();
  while (true) {
    if (!later_.empty()) {
      const Later next = std::move(later_.front());
      later_.pop_front();
      if (Call* call = find(next.slot, next.stay)) step(*call, next.event);
      continue;
    }
    if (active_ == 0 && arrived_ == calls_ && (waiting_ == 0 || now_ >= end_)) break;
    const auto due = router_.deadline();
    if (due && (agenda_.empty() || *due <= agenda_.top().at)) {
      now_ = std::max(now_, *due);
      if (now_ >= end_ && active_ == 0) break;
      post(acd::Tick{});
      continue;
    }
    if (agenda_.empty()) break;
    const Item item = agenda_.top();
    agenda_.pop();
    now_ = std::max(now_, item.at);
    happen(item);
  }
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    Agent& agent = agents_[i];
    works(agent, 0);
    agent.work.busy_ms = agent.at_it / 1ms;
    agent.work.logged_in_ms = agent.logged / 1ms;
    SimulatedWork& sum = result_.agents[agent.options->id];
    sum.offered += agent.work.offered;
    sum.served += agent.work.served;
    sum.missed += agent.work.missed;
    sum.refused += agent.work.refused;
    sum.busy_ms += agent.work.busy_ms;
    sum.logged_in_ms += agent.work.logged_in_ms;
  }
  ++result_.days;
  result_.hash = hash_;
}

void World::after(Micros time, What what, const Call& call, std::uint64_t a, std::uint64_t b, char key) {
  agenda_.push({now_ + std::max(time, Micros{0}), ++number_, call.stay, a, b, call.slot, what, key});
}

Call* World::find(std::uint32_t slot, std::uint64_t stay) {
  if (slot >= slots_.size()) return nullptr;
  Call* const call = slots_[slot].get();
  return call != nullptr && call->stay == stay ? call : nullptr;
}

Call* World::find(const std::string& id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : slots_[found->second].get();
}

void World::happen(const Item& item) {
  if (item.what == What::agent_status) {
    const AgentOptions& agent = *agents_[item.a].options;
    const bool in = item.b != 0;
    return post(acd::AgentStatus{agent.id, in ? AgentState::available : AgentState::offline,
                                 in ? "at work" : "the day is over"});
  }
  if (item.what == What::cut_off) {
    for (const auto& call : slots_) {
      if (call == nullptr) continue;
      ++result_.cut_off;
      later(*call, event::Stop{"the day is over"});
    }
    return;
  }
  if (item.what == What::arrive) {
    Draw draw(seed_of(options_.seed, static_cast<std::uint64_t>(day_), 16 + item.a));
    const auto& recorded = options_.arrivals;
    CallInfo info;
    info.id = "s" + std::to_string(options_.seed) + "-" + std::to_string(day_) + "-" + std::to_string(item.a);
    info.called = options_.called;
    const RecordedArrival* const came = item.b != 0 ? &recorded[item.b - 1] : nullptr;
    const auto& numbers = options_.callers.numbers;
    const std::uint32_t made_up = draw.below(10'000'000);
    info.caller = came != nullptr && !came->caller.empty() ? came->caller
                  : numbers.empty() ? "+1555" + std::to_string(10'000'000 + made_up).substr(1)
                                    : numbers[made_up % numbers.size()];
    if (came != nullptr && !came->called.empty()) info.called = came->called;
    info.caller_uri = "sip:" + info.caller + "@caller.invalid";
    info.called_uri = "sip:" + info.called + "@ivr.invalid";
    info.variables = options_.variables;
    auto script = std::make_unique<Watched>(*this, FlowRunOptions{.seed = flow_seed(info.id),
                                                                  .variables = options_.variables,
                                                                  .calendars = options_.calendars,
                                                                  .lists = options_.lists,
                                                                  .zone = options_.zone});
    Watched* const watched = script.get();
    Call& call = add(info.id, Call::Part::caller, std::move(script),
                     {.answer_later = options_.flow->answers_later(),
                      .record = options_.record,
                      .secret_type_ahead = options_.flow->asks_for_secrets()});
    watched->watch(call);
    call.draw = draw;
    call.number = info.caller;
    call.patience = call.draw.take(options_.callers.patience);
    call.recorded = came;
    if (came != nullptr && came->patience) call.patience = *came->patience;
    if (came != nullptr && came->talk) call.talk = *came->talk;
    ++result_.calls;
    arrive();
    return step(call, event::Invited{std::move(info)});
  }
  Call* const call = find(item.slot, item.stay);
  if (call == nullptr) return;
  switch (item.what) {
    case What::arrive:
    case What::agent_status: return;
    case What::tick:
      call->ticks = Time::max();
      if (const auto due = call->session->deadline(); due && *due <= now_) return step(*call, event::Tick{});
      if (const auto due = call->session->deadline(); due) {
        call->ticks = *due;
        after(*due - now_, What::tick, *call);
      }
      return;
    case What::established:
      if (!call->over) step(*call, event::Established{});
      return;
    case What::digit:
      if (!call->over) step(*call, event::DigitHeard{item.key, DigitSource::rtp_event});
      return;
    case What::play_ended: {
      if (call->plays != item.a) return;
      call->plays = 0;
      return step(*call, event::PlayEnded{item.a, to_millis(call->play_length), true, {}});
    }
    case What::record_ended: {
      const auto found = std::find_if(call->recordings.begin(), call->recordings.end(),
                                      [&](const Call::Recording& r) { return r.id == item.a; });
      if (found == call->recordings.end()) return;
      const auto end = static_cast<outcome::RecordEnd>(item.b);
      if (found->open && item.key != 0) {  // of itself
        const Millis length = to_millis(now_ - found->began);
        call->recordings.erase(found);
        return step(*call, event::RecordEnded{
                               item.a, call->id + "-" + std::to_string(item.a) + ".wav", length, end, {}});
      }
      if (found->open) return;
      const Millis length = to_millis(now_ - found->began);
      call->recordings.erase(found);
      return step(*call, event::RecordEnded{
                             item.a, call->id + "-" + std::to_string(item.a) + ".wav", length, end, {}});
    }
    case What::replied: {
      if (item.b == 0) return step(*call, event::HttpReplied{item.a, {0, {}, "connection refused"}});
      if (item.b == ~std::uint64_t{0})
        return step(*call, event::HttpReplied{item.a, {0, {}, "timeout: no answer in time"}});
      return step(*call, event::HttpReplied{item.a, options_.replies[item.b - 1].reply});
    }
    case What::gone: {
      const bool by_peer = item.b != 0;
      if (by_peer && call->part != Call::Part::agent && !call->over) call->hung_up = true;
      return leg_over(*call, static_cast<int>(item.a), item.a == 0 ? "BYE" : "no answer", by_peer);
    }
    case What::far_rings:
      if (call->far == static_cast<LegNumber>(item.a)) step(*call, event::LegRinging{call->far, {}});
      return;
    case What::far_answers:
      if (call->far != static_cast<LegNumber>(item.a)) return;
      call->far_up = true;
      call->talked = true;
      ++call->talk_number;
      after(Micros(static_cast<std::int64_t>(item.b)), What::far_gone, *call, item.a, 0);
      return step(*call, event::LegAnswered{call->far});
    case What::far_gone:
      if (call->far != static_cast<LegNumber>(item.a)) return;
      if (item.b == 0 && call->draw.chance(options_.callers.ends_talk)) {
        call->hung_up = true;
        return leg_over(*call, 0, "BYE", true);
      }
      call->far = 0;
      call->far_up = false;
      return step(*call, event::LegEnded{static_cast<LegNumber>(item.a), static_cast<int>(item.b),
                                         item.b == 0 ? "BYE" : "not connected", true});
    case What::digits_sent: return step(*call, event::DigitsSent{});
    case What::voice_began:
      if (!call->over) step(*call, event::VoiceBegan{});
      return;
    case What::voice_ended:
      if (!call->over) step(*call, event::VoiceEnded{});
      return;
    case What::talk_over: {
      if (call->partner == kNobody || call->talk_number != item.a) return;
      Call& agent = *slots_[call->partner];
      if (!call->draw.chance(options_.callers.ends_talk)) return leg_over(agent, 0, "BYE", true);
      call->hung_up = true;
      return leg_over(*call, 0, "BYE", true);
    }
    case What::out_of_patience:
      if (call->stays_in_queue != item.a || call->over || call->partner != kNobody || call->far_up) return;
      if (!call->want && call->far == 0) return;
      call->hung_up = true;
      return leg_over(*call, 0, "BYE", true);
    case What::refer_done: return step(*call, event::ReferProgress{static_cast<int>(item.a)});
    case What::look:
      if (observer_ != nullptr) observer_->stepped(*call, event::Tick{}, {}, now_);
      return;
    case What::cut_off: ++result_.cut_off; return step(*call, event::Stop{"the day is over"});
  }
}

// ----------------------------------------------------------------------------------------- calls

// Puts the next one on the agenda.
void World::arrive() {
  if (arrived_ == calls_) return;
  Micros at{0};
  std::uint64_t recorded = 0;
  if (options_.arrivals.empty()) {
    const auto next = arrivals_.next();
    if (!next) {
      arrived_ = calls_;
      return;
    }
    at = *next;
  } else {
    const Time begin = options_.start + Micros(options_.day) * day_;
    const auto first = std::lower_bound(options_.arrivals.begin(), options_.arrivals.end(), begin,
                                        [](const RecordedArrival& a, Time t) { return a.at < t; });
    const auto came = first + static_cast<std::ptrdiff_t>(arrived_);
    recorded = static_cast<std::uint64_t>(came - options_.arrivals.begin()) + 1;
    at = came->at - begin;
  }
  const Time due = options_.start + Micros(options_.day) * day_ + at;
  agenda_.push({std::max(due, now_), ++number_, 0, static_cast<std::uint64_t>(arrived_), recorded, kNobody,
                What::arrive, 0});
  ++arrived_;
  ++active_;  // counted from now on: a day is not over before it
}

Call& World::add(std::string id, Call::Part part, std::unique_ptr<Script> script,
                 const CallSessionOptions& how) {
  std::uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slots_[slot] = std::make_unique<Call>();
  Call& call = *slots_[slot];
  call.id = std::move(id);
  call.slot = slot;
  call.stay = ++stays_;
  call.part = part;
  call.started = now_;
  call.session.emplace(std::move(script), how);
  by_id_[call.id] = slot;
  if (part != Call::Part::caller) ++active_;
  return call;
}

void World::step(Call& call, const Event& event) {
  const std::optional<Event> masked = call.session->for_log(event);
  Commands commands = std::move(commands_);
  commands.clear();
  call.session->step(event, now_, commands);
  call.hash = hash_of(
      log_line(call.sequence, now_, masked ? *masked : event, commands, call.session->revealed()), call.hash);
  ++call.sequence;
  ++result_.steps;
  for (const Command& command : commands) carry_out(call, command);
  if (observer_ != nullptr && call.part != Call::Part::agent) observer_->stepped(call, event, commands, now_);
  commands_ = std::move(commands);  // its memory serves the next step
  if (call.session->done()) return finish(call);
  if (call.asked.what != Call::Asked::What::nothing) react(call);
  if (const auto due = call.session->deadline(); due && *due < call.ticks) {
    call.ticks = *due;
    after(*due - now_, What::tick, call);
  }
}

void World::finish(Call& call) {
  if (observer_ != nullptr && call.part != Call::Part::agent) observer_->ended(call, now_);
  ended(call, 0);
  hash_ = mix(hash_ ^ call.hash) + call.stay;
  if (call.part == Call::Part::caller) {
    result_.length.add(now_ - call.started);
    const auto& summary = call.session->summary();
    std::string outcome;
    switch (summary.ended_by) {
      case outcome::EndedBy::caller:
        outcome = call.talked         ? "hung up after a talk"
                  : call.left_message ? "hung up after a message"
                                      : "hung up";
        break;
      case outcome::EndedBy::script: outcome = summary.reason; break;
      case outcome::EndedBy::system: outcome = "system: " + summary.reason; break;
    }
    constexpr std::size_t kOutcomes = 200;  // reasons may have the caller's words in them
    if (result_.outcomes.size() >= kOutcomes && !result_.outcomes.contains(outcome)) outcome = "other";
    result_.outcomes[outcome].add(now_ - call.started);
    if (call.hung_up && !call.talked && !call.left_message && call.node >= 0)
      ++result_.nodes[static_cast<std::size_t>(call.node)].lost;
  }
  --active_;
  by_id_.erase(call.id);
  free_.push_back(call.slot);
  slots_[call.slot].reset();
}

void World::leg_over(Call& call, int status, std::string reason, bool by_peer) {
  if (std::exchange(call.over, true)) return;
  call.plays = 0;
  ended(call, status);
  step(call, event::LegEnded{0, status, std::move(reason), by_peer});
}

void World::carry_out(Call& call, const Command& command) {
  struct Visitor {
    World& world;
    Call& call;
    void operator()(const command::Ring&) {}
    void operator()(const command::Answer&) { world.after(kSignal, What::established, call); }
    void operator()(const command::Reject& reject) {
      world.after(kSignal, What::gone, call, static_cast<std::uint64_t>(reject.status), 0);
    }
    void operator()(const command::Dial& dial) { world.dial(call, dial); }
    void operator()(const command::Play& play) { world.play(call, play); }
    void operator()(const command::StopPlay& stop) { world.stop_play(call, stop.play); }
    void operator()(const command::StartRecord& start) { world.leave_message(call, start); }
    void operator()(const command::StopRecord& stop) {
      world.stop_record(call, stop.record, outcome::RecordEnd::failed);
    }
    void operator()(const command::Fetch& fetch) { world.fetch(call, fetch); }
    void operator()(const command::CancelFetch&) {}
    void operator()(const command::SendDigits& send) {
      Micros length{0};
      for (const char key : send.digits)
        length += key == 'w' ? Micros(500ms) : key == 'W' ? Micros(1s) : Micros(send.tone + send.gap);
      world.after(length, What::digits_sent, call);
    }
    void operator()(const command::DetectVoice& detect) {
      if (!detect.on || world.observer_ != nullptr || !call.draw.chance(world.options_.callers.talk_over))
        return;
      const Micros begins = call.draw.take(world.options_.callers.think);
      world.after(begins, What::voice_began, call);
      world.after(begins + Micros(900ms), What::voice_ended, call);
    }
    void operator()(const command::Connect&) {}
    void operator()(const command::Drop& drop) {
      if (drop.leg == 0) {
        world.after(kSignal, What::gone, call, 0, 0);
      } else if (call.far == drop.leg) {
        call.far = 0;
        call.far_up = false;
      }
    }
    void operator()(const command::JoinQueue& join) {
      call.want = join.want;
      if (call.called_back != 0)
        return world.post(acd::CallbackDialled{std::exchange(call.called_back, 0), call.id, true});
      world.post(acd::Join{.call = call.id,
                           .queue = join.want.queue,
                           .caller = call.number,
                           .priority = join.want.priority,
                           .required = join.want.required,
                           .preferred = join.want.preferred,
                           .agent = join.want.agent,
                           .direct = join.want.direct});
    }
    void operator()(const command::LeaveQueue& leave) {
      using Why = acd::Leave::Why;
      world.leave_queue(call, leave.key ? Why::key : leave.timeout ? Why::timeout : Why::moved, leave.digit);
    }
    void operator()(const command::RequestCallback& request) {
      if (call.partner != kNobody) world.part(call);
      call.want.reset();
      world.post(acd::CallbackRequested{call.id, request.number});
      world.later(call, event::CallbackTaken{world.router_.owes_callback(call.id)});
    }
    void operator()(const command::Part&) { world.part(call); }
    void operator()(const command::Serve&) { world.serve(call); }
    void operator()(const command::Decline&) { world.decline(call); }
    void operator()(const command::Refer&) {
      const bool goes = call.draw.chance(0.9);
      world.after(2s, What::refer_done, call, goes ? 200 : 486);
      if (goes) world.after(Micros(2s) + kSetUp, What::gone, call, 0, 1);
    }
    void operator()(const command::AgentStatus& set) { world.set_status(call, set); }
    void operator()(const command::EarlyMedia&) {}
    void operator()(const command::Report&) {}
  };
  std::visit(Visitor{*this, call}, command);
}

}  // namespace ivr::simulation
