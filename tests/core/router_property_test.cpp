#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <random>
#include <set>

#include "core/router_checker.hpp"
#include "ivr/queue_log.hpp"

// Random lives of a contact centre: agents, queues and callers that do whatever they can do, in any order and
// often at the same instant, with a crash or a reload between any two steps. A checker that is fed with
// events and commands alone looks on. A life is a list of small numbers, so that one that goes wrong can be
// cut down to the few steps that matter. IVR_ROUTER_LIVES=1000 lives longer; IVR_ROUTER_SEED=n lives that
// one.

namespace ivr::model {
namespace {

enum class Kind {
  agent,
  agent_gone,
  queue,
  queue_gone,
  status,
  reachable,
  busy,
  join,
  leave,
  move,
  callback,
  dialled,
  ringing,
  accept,
  refuse,
  end,
  crash,
  reload,
  wait,
};

struct Act {
  Kind kind = Kind::wait;
  std::uint32_t a = 0, b = 0, c = 0;
  Millis dt{0};
};

std::vector<Act> life_of(std::uint64_t seed, int length) {
  std::mt19937_64 random(seed);
  const auto act = [&](Kind kind, Millis dt) {
    return Act{kind, static_cast<std::uint32_t>(random()), static_cast<std::uint32_t>(random()),
               static_cast<std::uint32_t>(random()), dt};
  };
  std::vector<Act> out;
  for (std::uint32_t i = 0; i < 5; ++i) out.push_back(act(Kind::agent, 0ms)), out.back().a = i;
  for (std::uint32_t i = 0; i < 2; ++i) out.push_back(act(Kind::queue, 0ms)), out.back().a = i;
  for (std::uint32_t i = 0; i < 5; ++i)
    out.push_back(act(Kind::status, 0ms)), out.back().a = i, out.back().b = 0;
  constexpr std::pair<Kind, int> kWeights[] = {
      {Kind::agent, 4},   {Kind::agent_gone, 1}, {Kind::queue, 3},    {Kind::queue_gone, 1},
      {Kind::status, 14}, {Kind::reachable, 6},  {Kind::busy, 6},     {Kind::join, 60},
      {Kind::leave, 10},  {Kind::move, 8},       {Kind::callback, 6}, {Kind::dialled, 8},
      {Kind::ringing, 6}, {Kind::accept, 60},    {Kind::refuse, 24},  {Kind::end, 50},
      {Kind::crash, 1},   {Kind::reload, 8},     {Kind::wait, 20}};
  int all = 0;
  for (const auto& [kind, weight] : kWeights) all += weight;
  for (int i = 0; i < length; ++i) {
    int draw = static_cast<int>(random() % static_cast<std::uint64_t>(all));
    Kind kind = Kind::wait;
    for (const auto& [k, weight] : kWeights) {
      kind = k;
      if ((draw -= weight) < 0) break;
    }
    constexpr Millis kSteps[] = {0ms, 0ms, 0ms, 1ms, 50ms, 400ms, 1s, 3s, 10s, 40s};
    out.push_back(act(kind, kSteps[random() % std::size(kSteps)]));
  }
  return out;
}

// Lives one life; whatever is drawn was drawn before, so leaving an act out leaves the others as they are.
class Life {
 public:
  explicit Life(std::uint64_t seed) : options_{.seed = seed, .explain_limit = 1000}, router_(options_) {}

  // The first thing that went wrong.
  std::optional<std::string> live(const std::vector<Act>& acts) {
    for (const Act& act : acts) {
      pass(act.dt);
      apply(act);
      if (!checker_.faults().empty()) return checker_.faults().front();
    }
    end_well();
    if (!checker_.faults().empty()) return checker_.faults().front();
    return replay();
  }
  const std::vector<std::string>& log() const { return log_; }

 private:
  void fail(std::string what) {
    if (trouble_.empty()) trouble_ = std::move(what);
  }
  static std::string text(const acd::Commands& commands) {
    std::string out;
    for (const auto& command : commands) out += to_json(command) + "\n";
    return out;
  }

  void step(const acd::Event& event) {
    acd::Commands out;
    router_.step(event, now_, out);
    events_.push_back({now_, to_json(event)});
    said_ += text(out);
    if (!out.empty() || !std::holds_alternative<acd::Tick>(event))
      log_.push_back(std::to_string(now_.time_since_epoch().count() / 1000) + " ms  " + to_json(event));
    for (const auto& command : out)
      if (!std::holds_alternative<acd::Decided>(command)) log_.push_back("      -> " + to_json(command));
    for (const auto& command : out) {
      if (const auto* c = std::get_if<acd::Offer>(&command)) offers_.push_back(c->offer);
      if (const auto* c = std::get_if<acd::Joined>(&command)) entries_.push_back(c->entry);
    }
    checker_.step(event, now_, out);
    checker_.settled(router_, now_);
    count_lines(event, out);
    if (twin_) {
      acd::Commands same;
      twin_->step(event, now_, same);
      if (text(same) != text(out))
        checker_.blame("after a reload: " + text(same) + "instead of: " + text(out));
      else if (twin_->deadline() != router_.deadline())
        checker_.blame("after a reload the deadline is another");
    }
  }

  // The queue log says what the router said: every stay begins once and ends once.
  void count_lines(const acd::Event& event, const acd::Commands& out) {
    int entered = 0, connected = 0, closed = 0;
    queue_log_.step(event, out, now_, [&](const QueueLog::Line& line) {
      entered += line.verb == "ENTERQUEUE";
      connected += line.verb == "CONNECT";
      closed += QueueLog::closes(line.verb);
    });
    for (const auto& command : out) {
      if (const auto* c = std::get_if<acd::Joined>(&command)) {
        --entered;
        if (!stays_.insert(c->entry).second) --closed;  // it has moved
      }
      connected -= std::holds_alternative<acd::Connect>(command);
      if (const auto* c = std::get_if<acd::Left>(&command))
        closed -= static_cast<int>(stays_.erase(c->entry));
    }
    if (entered != 0 || connected != 0 || closed != 0 || queue_log_.open() != stays_.size())
      checker_.blame("the queue log: " + std::to_string(entered) + " entered, " + std::to_string(connected) +
                     " connected, " + std::to_string(closed) + " closed too many, " +
                     std::to_string(queue_log_.open()) + " open");
  }

  // Time goes by; ticks come when they are asked for.
  void pass(Millis dt) {
    const Time until = now_ + dt;
    for (int ticks = 0; checker_.faults().empty(); ++ticks) {
      const auto due = router_.deadline();
      if (!due || *due > until) break;
      if (ticks > 10'000) return checker_.blame("10,000 ticks in " + std::to_string(dt.count()) + " ms");
      now_ = std::max(now_, *due);
      step(acd::Tick{});
    }
    now_ = until;
  }

  static std::string agent(std::uint32_t n) { return "a" + std::to_string(n % 6); }
  static std::string queue(std::uint32_t n) { return "q" + std::to_string(n % 3); }
  std::string call(std::uint32_t n) const {  // mostly one of the last
    if (calls_ == 0) return "nobody";
    const std::uint32_t back = n % 11 == 10 ? n % calls_ : n % std::min(calls_, 8u);
    return "c" + std::to_string(calls_ - back);
  }
  OfferId offer(std::uint32_t n, bool talking) const {
    if (n % 16 == 15 && !offers_.empty()) return offers_[(n / 16) % offers_.size()];  // long gone, perhaps
    std::vector<OfferId> open;
    for (const auto& [id, o] : checker_.offers)
      if (o.talking == talking) open.push_back(id);
    return open.empty() ? 0 : open[(n / 16) % open.size()];
  }

  AgentOptions agent_options(const Act& act) const {
    AgentOptions out{.id = agent(act.a)};
    const std::uint32_t b = act.b, c = act.c;
    if (b % 4) out.uri = "sip:" + out.id + "@127.0.0.1";
    if (b / 4 % 3) out.skills.push_back({"red", static_cast<int>(b / 16 % 6)});
    if (b / 128 % 2) out.skills.push_back({"blue", static_cast<int>(b / 256 % 6)});
    out.capacity = {{"voice", 1 + static_cast<int>(c % 8 / 6)}, {"chat", static_cast<int>(c / 8 % 4)}};
    out.score = static_cast<int>(c / 32 % 3) * 50;
    if (c / 128 % 2) out.wrap_up = Millis(c / 256 % 3 * 2000);
    out.no_answer_delay = Millis(c / 1024 % 3 * 1500);
    out.busy_delay = Millis(c / 4096 % 2 * 4000);
    out.reject_delay = Millis(c / 8192 % 2 * 2500);
    out.max_misses = static_cast<int>(c / 16384 % 4);
    return out;
  }

  static SkillExpression required(std::uint32_t which) {
    const char* const kTexts[] = {"red",
                                  "red >= 0",
                                  "blue >= 2",
                                  "red or blue",
                                  "not blue >= 2",
                                  "red >= 2 and not blue or blue >= 1 and not red",
                                  "red != 1 and (blue or not (red and blue < 2))"};
    const std::uint32_t text = which % (std::size(kTexts) + 1);
    return text < std::size(kTexts) ? *SkillExpression::parse(kTexts[text]) : SkillExpression();
  }
  QueueOptions queue_options(const Act& act) const {
    QueueOptions out{.id = queue(act.a)};
    std::mt19937 more(act.b);
    const auto one_of = [&](unsigned n) { return more() % n == 0; };
    out.strategy = kStrategies[act.c % std::size(kStrategies)];
    if (!one_of(4)) {
      for (std::uint32_t i = 0; i < 6; ++i)
        if (!one_of(4))
          out.members.push_back(
              {agent(i), one_of(2) ? 0 : static_cast<int>(more() % 3), static_cast<int>(more() % 3)});
      std::shuffle(out.members.begin(), out.members.end(), more);
    }
    if (one_of(4)) out.required = required(more());
    if (one_of(5)) {
      out.steps.push_back({.after = 2s, .max_penalty = 1});
      out.steps.push_back({.after = 6s, .max_penalty = 9, .required = required(more())});
    }
    if (one_of(3)) {
      if (one_of(2)) out.steps.insert(out.steps.begin(), {.after = 0ms, .max_penalty = 0});
      for (QueueStep& step : out.steps) {
        if (!one_of(3)) step.skip_if = {Unavailable::offline, Unavailable::paused, Unavailable::unreachable};
        if (one_of(3)) step.skip_if.push_back(Unavailable::in_use);
        if (one_of(3)) step.skip_if.push_back(Unavailable::ringing);
        if (one_of(4)) step.skip_if.push_back(Unavailable::delayed);
      }
    }
    if (one_of(4)) out.max_size = 1 + static_cast<int>(more() % 5);
    if (one_of(3)) out.max_wait = Millis(5000 + more() % 30000);
    out.ring_limit = Millis(2000 + more() % 4 * 5000);
    out.retry = Millis(more() % 4 * 500);
    out.ring_progressively = 3s;
    out.wrap_up = Millis(more() % 3 * 1500);
    out.weight = static_cast<int>(more() % 2);
    if (one_of(4)) out.age_score = more() % 3;
    out.once = one_of(8);
    if (one_of(6)) out.resume = 8s;
    if (one_of(3)) {
      out.announce.first = 1s;
      out.announce.every = 5s;
      out.announce.at_least = 2s;
      out.announce.wait_time = one_of(2);
      out.announce.only_when_improved = one_of(2);
      if (one_of(2)) out.announce.periodic = 7s, out.announce.periodic_messages = 3;
    }
    out.callback_tries = 1 + static_cast<int>(more() % 3);
    out.callback_retry = 5s;
    return out;
  }

  void apply(const Act& act) {
    switch (act.kind) {
      case Kind::agent: return step(acd::AgentSet{agent_options(act)});
      case Kind::agent_gone: return step(acd::AgentRemoved{agent(act.a)});
      case Kind::queue: return step(acd::QueueSet{queue_options(act)});
      case Kind::queue_gone: return step(acd::QueueRemoved{queue(act.a)});
      case Kind::status: {
        constexpr AgentState kStates[] = {AgentState::available, AgentState::available, AgentState::available,
                                          AgentState::on_break, AgentState::offline};
        return step(acd::AgentStatus{agent(act.a), kStates[act.b % 5], act.b % 2 ? "lunch" : ""});
      }
      case Kind::reachable: return step(acd::AgentReachable{agent(act.a), act.b % 4 != 0});
      case Kind::busy: {
        const std::string who = agent(act.a), channel = act.b % 4 ? "voice" : "chat";
        const auto now_busy = checker_.elsewhere.find({who, channel});
        const bool some = now_busy != checker_.elsewhere.end() && now_busy->second > 0;
        return step(acd::AgentBusy{who, channel, some ? -1 : 1});
      }
      case Kind::join: {
        acd::Join join{.call = "c" + std::to_string(++calls_), .queue = queue(act.a % 16 ? act.a % 2 : 2)};
        join.caller = "+" + std::to_string(act.b % 6);
        if (act.b / 8 % 6 == 0) join.channel = "chat";
        join.priority = act.b / 64 % 4 == 0 ? static_cast<int>(act.b / 256 % 3) : 0;
        if (act.b / 1024 % 6 == 0) join.required = required(act.b / 8192);
        if (act.c % 12 == 0) join.agent = agent(act.c / 16), join.direct = act.c / 256 % 2 == 0;
        return step(join);
      }
      case Kind::leave: {
        constexpr acd::Leave::Why kWhys[] = {acd::Leave::Why::hung_up, acd::Leave::Why::key,
                                             acd::Leave::Why::moved, acd::Leave::Why::timeout};
        return step(acd::Leave{call(act.a), kWhys[act.b % 4]});
      }
      case Kind::move: return step(acd::Move{call(act.a), queue(act.b)});
      case Kind::callback:
        return step(acd::CallbackRequested{call(act.a), "+49" + std::to_string(act.b % 9)});
      case Kind::dialled: {
        std::vector<EntryId> due;
        for (const auto& [id, entry] : checker_.entries)
          if (entry.dialling && !entry.left) due.push_back(id);
        EntryId entry = due.empty() ? 0 : due[act.a / 16 % due.size()];
        if (act.a % 16 == 0 && !entries_.empty()) entry = entries_[act.a / 16 % entries_.size()];
        return step(acd::CallbackDialled{entry, "c" + std::to_string(++calls_), act.b % 4 != 0});
      }
      case Kind::ringing: return step(acd::Ringing{offer(act.a, false)});
      case Kind::accept: return step(acd::Accepted{offer(act.a, false)});
      case Kind::refuse: {
        constexpr acd::Refused::Why kWhys[] = {acd::Refused::Why::no_answer, acd::Refused::Why::busy,
                                               acd::Refused::Why::rejected, acd::Refused::Why::unreachable};
        return step(acd::Refused{offer(act.a, false), kWhys[act.b % 4]});
      }
      case Kind::end: return step(acd::TalkEnded{offer(act.a, true)});
      case Kind::crash: return step(acd::Restarted{});
      case Kind::reload: return reload();
      case Kind::wait: return;
    }
  }

  void reload() {
    const std::string saved = router_.save();
    auto restored = Router::restore(saved);
    if (!restored.ok()) return checker_.blame("restore: " + std::string(restored.status().message()));
    if (const std::string again = restored->save(); again != saved) {
      const auto at = static_cast<std::size_t>(
          std::mismatch(saved.begin(), saved.end(), again.begin(), again.end()).first - saved.begin());
      const std::size_t from = at > 100 ? at - 100 : 0;
      return checker_.blame("saved after a restore it is another: ..." + again.substr(from, 200) +
                            " instead of ..." + saved.substr(from, 200));
    }
    if (restored->deadline() != router_.deadline())
      return checker_.blame("the deadline is another after a restore");
    twin_.emplace(std::move(router_));
    router_ = *std::move(restored);
    log_.push_back("      reloaded");
  }

  // Everybody works, answers and ends; then everybody hangs up. Each entry has left by then.
  void end_well() {
    for (int round = 0; round < 200 && checker_.faults().empty(); ++round) {
      for (const auto& [id, a] : std::map(checker_.agents)) {
        if (a.asked != AgentState::available) step(acd::AgentStatus{id, AgentState::available});
        if (!a.reachable) step(acd::AgentReachable{id, true});
      }
      const auto all = checker_.offers;
      for (const auto& [id, o] : all)
        if (o.talking)
          step(acd::TalkEnded{id});
        else
          step(acd::Accepted{id});
      pass(1s);
      if (all.empty()) break;
    }
    for (const auto& [id, entry] : std::map(checker_.entries)) {
      if (entry.left) continue;
      step(acd::Leave{entry.call, acd::Leave::Why::hung_up});
    }
    pass(3600s);
    for (const auto& [id, queue] : std::map(checker_.queues)) step(acd::QueueRemoved{id});
    pass(3600s);
    for (const auto& [id, entry] : checker_.entries)
      if (!entry.left) checker_.blame("entry " + std::to_string(id) + " never left");
  }

  // The log read back and lived again says the same.
  std::optional<std::string> replay() {
    Router again(options_);
    std::string said;
    acd::Commands out;
    for (const auto& [when, json] : events_) {
      const auto event = acd::event_from_json(json);
      if (!event.ok()) return json + ": " + std::string(event.status().message());
      if (to_json(*event) != json) return json + " reads as " + to_json(*event);
      out.clear();
      again.step(*event, when, out);
      said += text(out);
    }
    if (said != said_) {
      const auto at =
          std::mismatch(said.begin(), said.end(), said_.begin(), said_.end()).first - said.begin();
      const auto line = said.rfind('\n', static_cast<std::size_t>(at)) + 1;
      return "lived again from its log it said\n  " + said.substr(line, said.find('\n', line) - line) +
             "\ninstead of\n  " + said_.substr(line, said_.find('\n', line) - line);
    }
    return std::nullopt;
  }

  RouterOptions options_;
  Router router_;
  std::optional<Router> twin_;
  Checker checker_;
  QueueLog queue_log_;
  std::set<EntryId> stays_;  // open ones
  Time now_ = Time{} + 1'700'000'000s;
  std::uint32_t calls_ = 0;
  std::vector<OfferId> offers_;
  std::vector<EntryId> entries_;
  std::vector<std::pair<Time, std::string>> events_;
  std::string said_, trouble_;
  std::vector<std::string> log_;
};

// What went wrong, whoever it happened to.
std::string kind_of(const std::string& trouble) {
  std::string out;
  for (const char c : trouble.substr(0, 60))
    if (!std::isdigit(static_cast<unsigned char>(c))) out += c;
  return out;
}

// Leaves out what it can, larger pieces first, as long as the same goes wrong.
std::vector<Act> shrunk(std::vector<Act> acts, std::uint64_t seed, const std::string& trouble) {
  int budget = 1500;
  for (std::size_t piece = acts.size() / 2; piece > 0; piece /= 2)
    for (std::size_t at = 0; at < acts.size() && budget > 0;) {
      std::vector<Act> less(acts.begin(), acts.begin() + static_cast<std::ptrdiff_t>(at));
      if (at + piece < acts.size())
        less.insert(less.end(), acts.begin() + static_cast<std::ptrdiff_t>(at + piece), acts.end());
      --budget;
      const auto still = Life(seed).live(less);
      if (still && kind_of(*still) == kind_of(trouble))
        acts = std::move(less);
      else
        at += piece;
    }
  return acts;
}

void live(std::uint64_t seed, int length) {
  const auto acts = life_of(seed, length);
  if (const auto trouble = Life(seed).live(acts)) {
    const auto few = shrunk(acts, seed, *trouble);
    Life life(seed);
    const auto now = life.live(few);
    std::string log;
    const std::size_t lines = life.log().size();
    for (std::size_t i = lines > 80 ? lines - 80 : 0; i < lines; ++i) log += life.log()[i] + "\n";
    FAIL() << "seed " << seed << ": " << *trouble << "\ncut down to " << few.size()
           << " acts: " << now.value_or("nothing") << "\n"
           << log;
  }
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class RouterLives : public testing::TestWithParam<int> {};

TEST_P(RouterLives, BreakNoPromise) {
  const std::uint64_t lives = number_from("IVR_ROUTER_LIVES", 6);
  const std::uint64_t first = 1 + static_cast<std::uint64_t>(GetParam()) * 1'000'000;
  for (std::uint64_t seed = first; seed < first + lives && !HasFatalFailure(); ++seed) live(seed, 300);
}

INSTANTIATE_TEST_SUITE_P(Some, RouterLives, testing::Range(0, 4));

TEST(RouterLife, OfASeedThatIsNamed) { live(number_from("IVR_ROUTER_SEED", 1), 600); }

}  // namespace
}  // namespace ivr::model
