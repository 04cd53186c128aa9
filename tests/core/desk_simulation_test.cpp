#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/agent_script.hpp"
#include "ivr/call_session.hpp"
#include "ivr/event_log.hpp"
#include "ivr/router.hpp"

// A support desk in one piece and in virtual time: callers' sessions, the router, agents' sessions, and
// between them what an engine does. What happens is drawn from a seed.

namespace ivr {
namespace {

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

constexpr std::string_view kSecret = "swordfish";

Prompts say(std::string text) { return {Prompt{Prompt::Kind::text, std::move(text), "en"}}; }

// Waits, talks, and says goodbye; whoever leaves by the key is called back.
class CallerScript : public Script {
 public:
  void step(const Outcome& outcome, Time, ScriptOutput& out) override {
    if (std::holds_alternative<outcome::Ended>(outcome)) return;
    out.intent.push_back(next(outcome));
  }
  std::vector<outcome::Queued> left;
  int news = 0;

 private:
  Intent next(const Outcome& outcome) {
    if (std::holds_alternative<outcome::Started>(outcome)) return queue("please hold");
    if (std::holds_alternative<outcome::QueueNews>(outcome))
      return queue(++news % 3 == 0 ? "" : "still waiting");
    if (const auto* queued = std::get_if<outcome::Queued>(&outcome)) {
      left.push_back(*queued);
      if (queued->end == outcome::QueueEnd::key) return intent::Callback{"+15550100"};
      if (queued->end != outcome::QueueEnd::served) return intent::Play{.prompts = say("sorry")};
    } else if (std::holds_alternative<outcome::CallbackTaken>(outcome)) {
      return intent::Play{.prompts = say("we call you")};
    }
    return intent::Hangup{};
  }
  static intent::Queue queue(std::string text) {
    Prompt account{Prompt::Kind::text, "account " + std::string(kSecret), "en"};
    account.secret = true;
    intent::Queue want{.queue = "support", .exit_keys = "9", .whisper = {account}, .accept_keys = "1"};
    if (!text.empty()) want.say = say(std::move(text));
    want.record = true;
    want.max_talk = 40s;
    return want;
  }
};

class Desk {
 public:
  explicit Desk(std::uint64_t seed) : random_(seed), router_({.seed = seed}) {
    route(acd::QueueSet{{.id = "support",
                         .strategy = "longest_idle",
                         .max_size = 12,
                         .max_wait = 90s,
                         .ring_limit = 6s,
                         .announce = {.first = 3s, .every = 20s, .at_least = 5s, .wait_time = true},
                         .callback_tries = 2,
                         .callback_retry = 30s}});
    for (int i = 0; i < 5; ++i) {
      const std::string id = "agent" + std::to_string(i);
      route(acd::AgentSet{{.id = id, .uri = "sip:" + id + "@b", .standby = i == 0}});
      route(acd::AgentStatus{id, AgentState::available, ""});
      if (i == 0) standby_ = dial_agent(id, {.standby = true}, 0);
    }
  }

  void run(int callers) {
    Micros t{0};
    for (int i = 0; i < callers; ++i) {
      t += Millis(draw(6000));
      later(t, [this, i] { caller("c" + std::to_string(i), Direction::inbound, 0); });
    }
    while (next()) check();
    leg_ended(calls_.at(standby_), 0, true);
    while (next()) check();
  }

  void expect_all_closed() const {
    EXPECT_TRUE(router_.entries(now_).empty());
    EXPECT_TRUE(std::includes(left_.begin(), left_.end(), joined_.begin(), joined_.end()));
    int served = 0, talks_of_agents = 0;
    for (const auto& [id, call] : calls_) {
      EXPECT_TRUE(call.session->done()) << id;
      EXPECT_TRUE(call.records.empty()) << id;
      EXPECT_LE(call.bridges, call.agent.empty() ? 1 : 1000) << id;
      (call.agent.empty() ? served : talks_of_agents) += call.bridges;
      const auto again = replay(call.log, call.script(), {});
      ASSERT_TRUE(again.ok()) << id << ": " << again.status();
      EXPECT_EQ(again->differs_at, -1) << id << ":\n" << again->logged << "\n" << again->replayed;
      if (!call.agent.empty()) continue;
      const auto& script = dynamic_cast<const CallerScript&>(call.session->script());
      EXPECT_LE(script.left.size(), 1u) << id << " leaves the queue once";
      for (const auto& end : script.left) {
        const bool talked = end.end == outcome::QueueEnd::served || end.end == outcome::QueueEnd::transferred;
        EXPECT_EQ(talked, call.bridges == 1) << id;
        EXPECT_EQ(!end.agent.empty(), talked) << id;
        EXPECT_EQ(!end.recording.empty(), talked) << id;
        EXPECT_LE(end.talked, 40s) << id;
        ends.insert(end.end);
      }
    }
    EXPECT_EQ(served, talks_of_agents);
    EXPECT_EQ(served, connects_);
    EXPECT_FALSE(shown_secret_);
    for (const Router::AgentView& agent : router_.agents(now_)) EXPECT_EQ(agent.contacts, 0) << agent.id;
  }

  int callbacks = 0;
  mutable std::set<outcome::QueueEnd> ends;  // in how many ways callers left

 private:
  struct Call {
    std::string id;
    std::function<std::unique_ptr<Script>()> script;
    std::unique_ptr<CallSession> session;
    std::vector<LogEntry> log;
    std::string agent;        // of an agent's leg
    OfferId offer = 0;        // it rings for, then: talks for
    EntryId called_back = 0;  // a caller whom we called
    std::string other;        // talks with
    PlayId plays = 0;
    std::set<RecordId> records;
    int bridges = 0;
    bool gone = false;   // the leg
    bool waits = false;  // stands in the queue
    bool ready = false;  // an agent's leg that may be connected
    bool held = false;
  };

  // --- the world
  int draw(int below) { return static_cast<int>(random_() % static_cast<std::uint64_t>(below)); }
  bool chance(int percent) { return draw(100) < percent; }
  void later(Micros after, std::function<void()> what) {
    agenda_.emplace(std::pair{now_ + after, agenda_number_++}, std::move(what));
  }
  void post(const std::string& id, Event event, Micros after = Micros{0}) {
    later(after, [this, id, event = std::move(event)] { feed(calls_.at(id), event); });
  }

  // Lets the next thing happen; false when nothing will.
  bool next() {
    std::optional<Time> due;
    const auto sooner = [&](std::optional<Time> t) {
      if (t && (!due || *t < *due)) due = t;
    };
    if (!agenda_.empty()) due = agenda_.begin()->first.first;
    sooner(router_.deadline());
    for (const auto& [id, call] : calls_) sooner(call.session->deadline());
    if (!due || ++steps_ > 1'000'000) return false;
    now_ = std::max(now_, *due);
    while (!agenda_.empty() && agenda_.begin()->first.first <= now_) {
      const auto what = std::move(agenda_.begin()->second);
      agenda_.erase(agenda_.begin());
      what();
    }
    if (const auto t = router_.deadline(); t && *t <= now_) route(acd::Tick{});
    std::vector<std::string> ticks;
    for (const auto& [id, call] : calls_) {
      if (const auto t = call.session->deadline(); t && *t <= now_) ticks.push_back(id);
    }
    for (const std::string& id : ticks) feed(calls_.at(id), event::Tick{});
    return true;
  }

  // What must be true whenever nothing is under way.
  void check() const {
    if (!agenda_.empty() && agenda_.begin()->first.first <= now_) return;
    std::set<std::string> busy;
    for (const auto& [id, call] : calls_) {
      if (call.gone) continue;
      EXPECT_TRUE(!call.waits || call.plays != 0) << id << " waits in silence";
      if (call.other.empty()) continue;
      EXPECT_EQ(calls_.at(call.other).other, id);
      EXPECT_EQ(call.plays != 0, call.held) << id << (call.held ? " is held in silence" : " hears music");
      EXPECT_TRUE(call.agent.empty() || busy.insert(call.agent).second) << call.agent << " talks twice";
    }
  }

  // --- the engine: sessions
  Call& add(std::string id, std::function<std::unique_ptr<Script>()> script) {
    Call& call = calls_[id];
    call.id = std::move(id);
    call.script = std::move(script);
    call.session = std::make_unique<CallSession>(call.script(), CallSessionOptions{});
    return call;
  }
  void feed(Call& call, const Event& event) {
    if (call.session->done()) return;
    Commands out;
    const Event logged = call.session->for_log(event).value_or(event);
    call.session->step(event, now_, out);
    const std::string line = log_line(static_cast<std::int64_t>(call.log.size()), now_, logged, out);
    shown_secret_ |= line.find(kSecret) != std::string::npos;
    call.log.push_back(parse_log_line(line).value());
    for (const Command& command : out) carry_out(call, command);
  }

  void carry_out(Call& call, const Command& command) {
    std::visit(
        Overload{
            [&](const command::Answer&) { post(call.id, event::Established{}, 50ms); },
            [&](const command::Drop&) { later(20ms, [this, &call] { leg_ended(call, 0, false); }); },
            [&](const command::Play& play) {
              stop(call);
              call.plays = play.play;
              if (!call.agent.empty() && call.offer != 0) press_accept_key(call);
              if (play.loops != 1) return;
              later(800ms, [this, &call, id = play.play] {
                if (call.plays != id) return;
                call.plays = 0;
                feed(call, event::PlayEnded{id, 800ms, true, {}});
              });
            },
            [&](const command::StopPlay& stopped) {
              if (call.plays == stopped.play) stop(call);
            },
            [&](const command::StartRecord& start) { call.records.insert(start.record); },
            [&](const command::StopRecord& stopped) {
              call.records.erase(stopped.record);
              post(call.id,
                   event::RecordEnded{stopped.record, call.id + ".wav", 1s, outcome::RecordEnd::failed, {}},
                   30ms);
            },
            [&](const command::JoinQueue& join) {
              call.waits = true;
              if (call.called_back != 0) return route(acd::CallbackDialled{call.called_back, call.id, true});
              route(acd::Join{.call = call.id, .queue = join.want.queue, .caller = call.id});
            },
            [&](const command::LeaveQueue& leave) {
              call.waits = false;
              if (!call.other.empty()) return unbridge(call, {});  // they had just been connected
              using Why = acd::Leave::Why;
              route(acd::Leave{call.id, leave.key ? Why::key : leave.timeout ? Why::timeout : Why::hung_up});
            },
            [&](const command::RequestCallback& request) {
              const std::size_t joined = joined_.size();
              route(acd::CallbackRequested{call.id, request.number});
              post(call.id, event::CallbackTaken{joined_.size() != joined});
            },
            [&](const command::Serve&) {
              call.ready = true;
              if (call.offer != 0) route(acd::Accepted{call.offer});
            },
            [&](const command::Part&) { unbridge(call, {}); },
            [](const auto&) {},
        },
        command);
  }

  void stop(Call& call) {
    if (call.plays != 0) post(call.id, event::PlayEnded{std::exchange(call.plays, 0), 300ms, false, {}});
  }

  void leg_ended(Call& call, int status, bool by_peer) {
    if (std::exchange(call.gone, true)) return;
    call.plays = 0;
    call.ready = false;
    feed(call, event::LegEnded{0, status, status == 0 ? "BYE" : "no", by_peer});
    call.waits = false;
    if (!call.other.empty()) return unbridge(call, {});
    if (call.offer != 0) {
      using Why = acd::Refused::Why;
      route(acd::Refused{std::exchange(call.offer, 0), status == 486 ? Why::busy : Why::rejected});
    }
  }

  void caller(const std::string& id, Direction direction, EntryId called_back) {
    Call& call = add(id, [] { return std::make_unique<CallerScript>(); });
    call.called_back = called_back;
    feed(call, event::Invited{CallInfo{id, direction, id, "2001", "sip:" + id + "@a", "sip:2001@b", "", {}}});
    if (direction == Direction::outbound) {
      if (chance(60)) {
        post(id, event::Established{}, 2s);
      } else {
        later(2s, [this, &call] {
          leg_ended(call, 486, true);
          route(acd::CallbackDialled{call.called_back, "", false});
        });
      }
      return;
    }
    if (chance(25)) later(Millis(1000 + draw(60000)), [this, &call] { leg_ended(call, 0, true); });
    if (chance(25))
      post(id, event::DigitHeard{chance(70) ? '9' : '5', DigitSource::rtp_event}, Millis(1000 + draw(30000)));
  }

  // --- agents' telephones
  std::string dial_agent(const std::string& agent, AgentScriptOptions options, OfferId offer) {
    const std::string id = agent + "-" + std::to_string(calls_.size());
    Call& call = add(id, [options] { return std::make_unique<AgentScript>(options); });
    call.agent = agent;
    call.offer = offer;
    feed(call, event::Invited{
                   CallInfo{id, Direction::outbound, "ivr", agent, "sip:ivr@b", "sip:" + agent, "", {}}});
    if (offer == 0 || chance(75)) {
      post(id, event::Established{}, Millis(500 + draw(4000)));
    } else if (chance(50)) {
      later(1s, [this, &call] { leg_ended(call, chance(50) ? 486 : 603, true); });
    }  // or it rings on
    return id;
  }
  void press_accept_key(Call& call) {
    if (!chance(80)) return;
    post(call.id, event::DigitHeard{chance(90) ? '1' : '2', DigitSource::rtp_event},
         Millis(100 + draw(2000)));
  }

  // --- the engine: the router
  void route(const acd::Event& event) {
    acd::Commands out;
    router_.step(event, now_, out);
    for (const acd::Command& command : out) {
      std::visit(Overload{
                     [&](const acd::Offer& offer) { ring(offer); },
                     [&](const acd::Withdraw& withdraw) { silence(withdraw.offer); },
                     [&](const acd::Connect& connect) { bridge(connect); },
                     [&](const acd::Joined& joined) { joined_.insert(joined.entry); },
                     [&](const acd::Left& left) { leave(left); },
                     [&](const acd::Announce& a) {
                       post(a.call, event::QueueAnnounced{{a.position, a.more_than, a.wait, a.message}});
                     },
                     [&](const acd::DialCallback& dial) {
                       ++callbacks;
                       caller("back" + std::to_string(callbacks), Direction::outbound, dial.entry);
                     },
                     [](const auto&) {},
                 },
                 command);
    }
  }

  void ring(const acd::Offer& offer) {
    Call& waiting = calls_.at(standby_);
    if (offer.agent == waiting.agent) {
      waiting.offer = offer.offer;
      legs_[offer.offer] = standby_;
      if (waiting.ready) later(0ms, [this, number = offer.offer] { route(acd::Accepted{number}); });
      return;
    }
    const std::string whisper = "account " + std::string(kSecret);
    Prompts prompts = say(whisper);
    prompts[0].secret = true;
    legs_[offer.offer] = dial_agent(
        offer.agent, {.whisper = std::move(prompts), .accept_keys = "1", .key_timeout = 1s}, offer.offer);
  }
  void silence(OfferId offer) {
    Call& leg = calls_.at(legs_.at(offer));
    leg.offer = 0;
    if (leg.id != standby_) post(leg.id, event::Stop{"withdrawn"});
  }
  void leave(const acd::Left& left) {
    EXPECT_TRUE(left_.insert(left.entry).second) << left.call << " left twice";
    using enum acd::Exit;
    if (left.exit != timeout && left.exit != full && left.exit != unavailable) return;
    Call& call = calls_.at(left.call);
    call.waits = false;
    const auto end = left.exit == timeout ? outcome::QueueEnd::timeout
                     : left.exit == full  ? outcome::QueueEnd::full
                                          : outcome::QueueEnd::unavailable;
    post(call.id, event::QueueLeft{end, left.waited, left.tried});
  }

  void bridge(const acd::Connect& connect) {
    Call& call = calls_.at(connect.call);
    Call& leg = calls_.at(legs_.at(connect.offer));
    EXPECT_TRUE(leg.ready && leg.other.empty() && call.other.empty());
    EXPECT_EQ(leg.offer, connect.offer);
    ++connects_;
    call.waits = leg.ready = false;
    call.other = leg.id;
    leg.other = call.id;
    ++call.bridges;
    ++leg.bridges;
    post(call.id, event::Bridged{leg.id, connect.agent, connect.waited, connect.tried});
    post(leg.id, event::Bridged{call.id, "", Millis{0}, {}});
    const Millis length(2000 + draw(50000));
    const OfferId talk = connect.offer;
    const auto still = [this, &call, &leg, talk](auto&& what) {
      return [&call, &leg, talk, what, this] {
        if (leg.offer == talk && call.other == leg.id) what(call, leg);
      };
    };
    if (chance(40)) {
      later(length / 3, still([this](Call& c, Call&) {
              c.held = true;
              post(c.id, event::PeerHeld{true});
            }));
      later(length / 2, still([this](Call& c, Call&) {
              c.held = false;
              post(c.id, event::PeerHeld{false});
            }));
    }
    later(length, still([this](Call& c, Call& a) {
            const int how = draw(4);
            if (how == 0) return leg_ended(c, 0, true);
            if (how == 1) return unbridge(a, "sip:desk@c");
            if (how == 2 && a.id != standby_) return leg_ended(a, 0, true);
            unbridge(a, {});
          }));
  }

  // `by` ends the talk.
  void unbridge(Call& by, const std::string& target) {
    Call& other = calls_.at(std::exchange(by.other, {}));
    other.other.clear();
    by.held = other.held = false;
    post(by.id, event::Unbridged{by.agent.empty() ? target : std::string(), false});
    post(other.id, event::Unbridged{other.agent.empty() ? target : std::string(), true});
    route(acd::TalkEnded{std::exchange((by.agent.empty() ? other : by).offer, 0)});
  }

  std::mt19937_64 random_;
  Router router_;
  Time now_ = Time(Micros(1'763'724'000'000'000));
  std::map<std::pair<Time, std::uint64_t>, std::function<void()>> agenda_;
  std::uint64_t agenda_number_ = 0;
  std::set<EntryId> joined_, left_;
  int steps_ = 0, connects_ = 0;
  bool shown_secret_ = false;
  std::map<std::string, Call> calls_;
  std::map<OfferId, std::string> legs_;
  std::string standby_;
};

TEST(DeskSimulation, EveryCallerIsServedOnceOrToldWhyAndEveryCallReplays) {
  std::set<outcome::QueueEnd> ends;
  int callbacks = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Desk desk(seed);
    desk.run(60);
    desk.expect_all_closed();
    ends.merge(desk.ends);
    callbacks += desk.callbacks;
    if (testing::Test::HasFailure()) return;
  }
  using enum outcome::QueueEnd;
  EXPECT_TRUE(ends.contains(served) && ends.contains(transferred) && ends.contains(timeout) &&
              ends.contains(full) && ends.contains(key));
  EXPECT_GT(callbacks, 0);
}

}  // namespace
}  // namespace ivr
