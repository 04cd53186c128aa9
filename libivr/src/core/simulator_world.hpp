#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/flow_model.hpp"
#include "core/simulator_draw.hpp"
#include "ivr/call_session.hpp"
#include "ivr/router.hpp"
#include "ivr/simulator.hpp"

// What an engine is to its calls, in made-up time: it carries the sessions' and the router's commands out and
// says what comes of them. Callers and agents are a part of it.

namespace ivr::simulation {

inline constexpr Micros kSignal = 20ms;  // from one end of a line to the other
inline constexpr Micros kSetUp = 120ms;  // of a call
inline Millis to_millis(Micros t) { return std::chrono::duration_cast<Millis>(t); }

inline constexpr std::uint32_t kNobody = ~std::uint32_t{0};

// When calls come, one after the other. Poisson by the hour, or as recorded.
class Arrivals {
 public:
  Arrivals(const SimulatorOptions& options, int day);
  std::optional<Micros> next();  // since the day's beginning; none: no more today

 private:
  const std::vector<std::uint64_t>* rates_;
  std::vector<std::uint64_t> own_;
  Micros day_, at_{0};
  Draw draw_;
};

struct Call {
  enum class Part : std::uint8_t { caller, agent, called_back };
  // What the flow wants of the caller, until he has made up his mind.
  struct Asked {
    enum class What : std::uint8_t { nothing, keys, recording, queue, far_side } what = What::nothing;
    int min = 1, max = 1;
    char terminator = 0;
    bool may_barge = false, confirms = false, endless = false;
    Millis grace{0};
    std::string exit_keys;
    std::shared_ptr<const DigitMap> map;
  };
  struct Recording {
    RecordId id = 0;
    Time began{};
    char finish_key = 0;
    bool open = true;
  };

  std::string id, number;
  std::uint32_t slot = 0;
  std::uint64_t stay = 0;  // whose this slot is; never used again
  Part part = Part::caller;
  std::optional<CallSession> session;
  Draw draw;
  std::uint64_t hash = 0;
  std::int64_t sequence = 0;
  Time started{}, ticks = Time::max();
  bool over = false;  // leg 0 is gone
  bool hung_up = false;

  PlayId plays = 0;
  Time play_began{};
  Micros play_length{0};  // 0: without an end
  Millis play_from{0};
  std::vector<Recording> recordings;
  LegNumber far = 0;  // the leg that it has dialled last
  bool far_up = false;

  // A caller's way through the flow.
  Asked asked;
  int node = -1, from = -1;
  std::string exit;  // of `from`
  bool talked = false, left_message = false, reached_goal = false, asked_here = false;
  Micros patience{0};
  std::uint32_t stays_in_queue = 0;
  std::optional<Micros> talk;  // recorded
  const RecordedArrival* recorded = nullptr;
  std::size_t answered = 0;  // of its answers

  // With the router.
  std::optional<intent::Queue> want;
  std::uint32_t partner = kNobody;
  std::uint32_t talk_number = 0;
  OfferId offer = 0;  // of an agent's leg
  int agent = -1;
  bool took = false;
  EntryId called_back = 0;
};

// Looks at a day, or drives its callers in place of chance.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void stepped(Call& call, const Event& event, const Commands& commands, Time now) = 0;
  virtual void ended(Call& call, Time now) = 0;
  virtual bool drives() const { return false; }  // the callers' keys and hang-ups are not drawn
};

// One day. `result` has the nodes of the flow in it.
class World {
 public:
  World(const SimulatorOptions& options, int day, std::int64_t calls, SimulationResult& result,
        Observer* observer = nullptr);
  ~World();
  void run();

  // What an observer makes the caller do, so much later.
  void press(Call& call, std::string_view keys, Micros after, Micros between);
  void hang_up(Call& call, Micros after);
  void speak(Call& call, Micros after, Micros length);
  void look_again(Call& call, Micros after);  // stepped() is called then with a Tick and no commands
  Time now() const { return now_; }

 private:
  enum class What : std::uint8_t {
    arrive,
    tick,
    established,
    digit,
    play_ended,
    record_ended,
    replied,
    gone,  // leg 0
    far_rings,
    far_answers,
    far_gone,
    digits_sent,
    voice_began,
    voice_ended,
    talk_over,
    out_of_patience,
    refer_done,
    agent_status,
    look,
    cut_off,
  };
  struct Item {
    Time at{};
    std::uint64_t number = 0;
    std::uint64_t stay = 0;
    std::uint64_t a = 0, b = 0;
    std::uint32_t slot = kNobody;
    What what{};
    char key = 0;
    bool operator<(const Item& other) const { return at != other.at ? at > other.at : number > other.number; }
  };
  struct Agent {
    const AgentOptions* options = nullptr;
    const SimulatedAgent* acts = nullptr;
    SimulatedWork work;
    bool logged_in = false;
    Time since{};
    Micros at_it{0}, logged{0};
    int busy = 0;  // legs that ring or talk
    bool wraps_up = false;
    std::uint64_t legs = 0;
  };
  struct Offering {
    acd::Offer offer;
    std::uint32_t leg = kNobody, caller = kNobody;
  };
  class Watched;

  // --- the clock
  void after(Micros time, What what, const Call& call, std::uint64_t a = 0, std::uint64_t b = 0,
             char key = 0);
  void later(const Call& call, Event event) { later_.push_back({call.slot, call.stay, std::move(event)}); }
  void happen(const Item& item);
  Call* find(std::uint32_t slot, std::uint64_t stay);
  Call* find(const std::string& id);

  // --- calls
  void arrive();
  Call& add(std::string id, Call::Part part, std::unique_ptr<Script> script, const CallSessionOptions& how);
  void step(Call& call, const Event& event);
  void finish(Call& call);
  void leg_over(Call& call, int status, std::string reason, bool by_peer);
  void carry_out(Call& call, const Command& command);
  void play(Call& call, const command::Play& play);
  void stop_play(Call& call, PlayId play);
  void stop_record(Call& call, RecordId record, outcome::RecordEnd end);
  void dial(Call& call, const command::Dial& dial);
  void fetch(Call& call, const command::Fetch& fetch);
  void set_status(Call& call, const command::AgentStatus& set);
  Micros length_of(const Prompts& prompts) const;

  // --- callers
  void react(Call& call);
  void answer(Call& call);
  void press_for(Call& call, const std::string& keys);
  std::string input_for(Call& call);
  void wait_with_patience(Call& call);
  void leave_message(Call& call, const command::StartRecord& start);
  void entered(Call& call, const std::string& node);
  void left(Call& call, const std::string& node, const std::string& exit);

  // --- the router
  void post(acd::Event event);
  void carry_out(const acd::Offer& offer);
  void carry_out(const acd::Withdraw& withdraw);
  void carry_out(const acd::Connect& connect);
  void carry_out(const acd::Left& left);
  void carry_out(const acd::Joined& joined);
  void carry_out(const acd::Announce& announce);
  void carry_out(const acd::DialCallback& dial);
  void carry_out(const acd::AgentChanged& changed);
  void carry_out(const acd::Decided&) {}
  void serve(Call& leg);
  void decline(Call& leg);
  void part(Call& call);
  void release(Call& leg, acd::TalkEnded::By by);
  void leave_queue(Call& call, acd::Leave::Why why, char key);
  void ended(Call& call, int status);
  void works(Agent& agent, int change);
  void shifts();

  const SimulatorOptions& options_;
  const flow::Model& model_;
  SimulationResult& result_;
  Observer* const observer_;
  const int day_;
  const std::int64_t calls_;
  Time now_{};
  Time end_{};  // whoever still calls then is cut off
  Arrivals arrivals_;
  std::int64_t arrived_ = 0;
  std::uint64_t number_ = 0, stays_ = 0, hash_ = 0;
  std::uint64_t legs_ = 0;
  std::size_t active_ = 0, waiting_ = 0;
  std::priority_queue<Item> agenda_;
  struct Later {
    std::uint32_t slot;
    std::uint64_t stay;
    Event event;
  };
  std::deque<Later> later_;
  std::vector<std::unique_ptr<Call>> slots_;
  std::vector<std::uint32_t> free_;
  absl::flat_hash_map<std::string, std::uint32_t> by_id_;
  absl::flat_hash_map<std::string, int> node_numbers_;
  std::vector<bool> goals_;
  std::vector<int> reply_times_;
  Commands commands_;

  Router router_;
  std::deque<acd::Event> events_;
  acd::Commands routed_;
  bool stepping_ = false;
  std::vector<Agent> agents_;
  absl::flat_hash_map<std::string, int> agent_numbers_;
  absl::flat_hash_map<std::string, Millis> in_time_;  // by queue
  absl::flat_hash_map<OfferId, Offering> offerings_;
};

}  // namespace ivr::simulation
