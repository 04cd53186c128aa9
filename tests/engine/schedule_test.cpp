// The switchboard, the router and every call's session in thousands of orders of what may happen around them:
// callers who leave in the very moment in which an agent takes them, prompts that are ready when nobody is
// there any more, a store that is late, a crash in the middle. One seed is one schedule; a seed that fails is
// run again, with all it did on standard output, by IVR_SCHEDULE_SEED. IVR_SCHEDULES says how many are run.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "core/agent_script.hpp"
#include "edge/call_journal.hpp"
#include "engine/recovery.hpp"
#include "engine/schedule_kept.hpp"
#include "engine/schedule_world.hpp"
#include "engine/switchboard.hpp"
#include "ivr/event_log.hpp"
#include "ivr/flow_route.hpp"
#include "ivr/router_history.hpp"
#include "ivr/router_log.hpp"

namespace ivr::schedule {
namespace {

// A queue that can be left for a call back, and one that can be left for nothing.
constexpr char kPatience[] = R"({
  "ivr": 1, "id": "patience", "start": "wait", "on_error": "sorry",
  "nodes": {
    "wait": {"type": "queue", "queue": "desk", "say": "Please wait.", "keys": {"1": "back", "2": "on"},
             "position_say": "You are number {{queue.position}}.", "whisper": "A call.", "accept_keys": "1",
             "record": true, "next": "bye", "timeout": "sorry", "full": "sorry", "unavailable": "sorry",
             "transfer_failed": "on"},
    "back": {"type": "callback", "next": "kept", "error": "sorry"},
    "on": {"type": "queue", "queue": "desk", "say": "Please wait on.", "priority": 2, "next": "bye",
           "timeout": "sorry", "full": "sorry", "unavailable": "sorry", "transfer_failed": "sorry"},
    "kept": {"type": "hangup", "say": "We call you back."},
    "sorry": {"type": "hangup", "say": "Nobody is there."},
    "bye": {"type": "hangup", "say": "Goodbye."}}})";

// What all schedules have: flows, agents and queues, made once.
struct Desk {
  Desk() {
    const auto add = [this](const std::string& extension, const std::string& json) {
      auto flow = Flow::load(json);
      EXPECT_TRUE(flow.ok()) << extension << ": " << flow.status();
      auto route = flow_route(extension, *flow);
      EXPECT_TRUE(route.ok()) << route.status();
      flows[(*flow)->digest()] = *flow;
      options.routes.push_back(*std::move(route));
    };
    const auto shipped = [](const std::string& name) {
      std::ifstream file(IVR_SOURCE_DIR "/examples/flows/" + name + ".json");
      return std::string(std::istreambuf_iterator<char>(file), {});
    };
    add("support", shipped("support_desk"));
    add("front", shipped("front_desk"));
    add("balance", shipped("balance_inquiry"));
    add("mail", shipped("voicemail"));
    add("survey", shipped("survey"));
    add("*4*", shipped("feature_codes"));
    add("patience", kPatience);
    options.routes[0].record = true;
    options.routes.push_back({.extension = "line", .script = [](const CallInfo&) {
                                return std::make_unique<AgentScript>(AgentScriptOptions{.standby = true});
                              }});
    int number = 2100;
    for (const char* id : {"billing", "tech1", "tech2", "general", "line"}) {
      AgentOptions agent;
      agent.id = id;
      agent.user = std::to_string(++number);
      agent.capacity = {{"voice", number % 2 == 0 ? 2 : 1}};
      agent.wrap_up = 2s;
      agent.max_misses = 3;
      agent.no_answer_delay = 1s;
      agent.standby = number == 2105;
      if (id[0] == 't') agent.skills = {{"technical", 3}};
      options.sip.users.push_back({agent.user, "secret"});
      options.agents.push_back(agent);
    }
    AgentOptions fixed;
    fixed.id = "desk1";
    fixed.uri = "sip:desk1@10.3.3.3";
    options.agents.push_back(fixed);
    for (const char* id : {"tech", "general", "desk", "reception", "sales", "complaints"}) {
      QueueOptions queue;
      queue.id = id;
      queue.max_size = 4;
      queue.max_wait = 60s;
      queue.ring_limit = 10s;
      queue.announce.every = 10s;
      queue.announce.at_least = 3s;
      queue.resume = 20s;
      queue.callback_tries = 2;
      queue.callback_retry = 10s;
      if (queue.id == "tech") queue.strategy = "ringall";
      if (queue.id == "reception") queue.leave_empty = {Unavailable::offline, Unavailable::unreachable};
      options.queues.push_back(queue);
    }
    options.limits.calls = 60;
    options.masking_numbers = {"+4980", "+4981"};
    options.trunk = "sip:10.8.8.8:5060";
    options.narrate = true;
    options.login_by_registration = true;
  }

  EngineOptions options;
  std::map<std::string, std::shared_ptr<const Flow>> flows;  // by digest
};

const Desk& desk() {
  static const Desk one;
  return one;
}

constexpr Time kMonday{1'763'971'200s};  // 2025-11-24 08:00 UTC

class Schedule {
 public:
  Schedule(std::uint64_t seed, bool aloud, const std::string& journal)
      : chance_(seed),
        agenda_(chance_, kMonday + std::chrono::hours(chance_.in(85) ? 0 : 11)),
        diary_(agenda_, aloud),
        around_{chance_, agenda_, diary_},
        store_([this](const std::string& what) { diary_.wrong(what); }),
        journal_path_(journal) {
    std::filesystem::remove(journal_path_);
  }

  std::uint64_t hash() const { return diary_.hash(); }

  // Empty: all went as it has to.
  std::string run() {
    begin();
    const int callers = 1 + chance_.below(7);
    for (int i = 0; i < callers; ++i) plan_caller(i);
    const int wishes = chance_.below(8);
    for (int i = 0; i < wishes; ++i) agenda_.later(chance_.between(0ms, 60s), [this] { wish(); });
    const int shifts = chance_.below(6);
    for (int i = 0; i < shifts; ++i) agenda_.later(chance_.between(0ms, 60s), [this] { shift(); });
    if (chance_.in(35)) agenda_.later(chance_.between(1s, 60s), [this] { crash_ = true; });
    if (chance_.in(8)) agenda_.later(chance_.between(1s, 90s), [this] { crash_ = true; });
    if (chance_.in(25)) {
      agenda_.later(chance_.between(0ms, 50s), [this] {
        diary_.note("the store fails");
        store_down_until_ = agenda_.now() + chance_.between(1s, 20s);
      });
    }
    if (chance_.in(15)) agenda_.later(chance_.between(5s, 60s), [this] { stop_ = true; });
    const Time calm = agenda_.now() + 70s;
    agenda_.later(70s, [this] { settle_down(); });
    const Time last = calm + 1h;
    for (int rounds = 0; diary_.wrong().empty(); ++rounds) {
      if (calm_ && at_rest()) break;
      if (agenda_.now() > last || rounds > 100'000) {
        diary_.wrong("it does not come to rest: " + what_is_left());
        break;
      }
      round();
    }
    if (diary_.wrong().empty()) end();
    return diary_.wrong();
  }

 private:
  struct Known {  // a call, as the application hears of it
    int run = 0;  // of the engine
    bool answered = false, lost = false;
    int ended = 0;
  };

  void begin() {
    const EngineOptions& given = desk().options;
    auto journal = CallJournal::create(journal_path_, {.max_calls = 128});
    EXPECT_TRUE(journal.ok()) << journal.status();
    journal_ = *std::move(journal);
    auto found = recover(given, store_, journal_.get(), agenda_.now());
    if (!found.ok()) return diary_.wrong("cannot recover: " + found.status().ToString());
    check_recovered(*found);
    media_ = std::make_unique<Media>(around_);
    media_->cannot_open = chance_.in(10) ? 10 : 0;
    media_->slow_disk = chance_.in(10);
    phones_ = std::make_unique<Telephones>(around_, *media_, static_cast<LegId>(1'000 * ++starts_));
    phones_->calm = calm_;
    phones_->dialled = [this](const std::string& user) { ++called_back_[user].dialled; };
    phones_->answered = [this](const std::string& user) { ++called_back_[user].answered; };
    servers_ = std::make_unique<Servers>(around_);
    voice_ = std::make_unique<Voice>(around_);
    voice_->slow = chance_.in(15);
    writer_ = std::make_unique<Writer>(store_);
    switchboard_ = std::make_unique<Switchboard>(
        given, Switchboard::World{*phones_, *media_, *servers_, *voice_, writer_.get(), journal_.get(),
                                  [this] { return agenda_.now(); },
                                  [this](const EngineEvent& event) { hear(event); },
                                  [this](Time) { return "c" + std::to_string(++named_); }});
    (void)phones_->start(given.sip, [this](const sip::Event& event) { switchboard_->on_sip(event); });
    for (const sip::Registered& each : found->registered) switchboard_->on_sip(each);
    const auto started = switchboard_->start(std::move(found->router), found->router_next, found->masked);
    if (!started.ok()) diary_.wrong("cannot start: " + started.ToString());
    for (const AgentOptions& agent : given.agents)
      if (calm_ || chance_.in(85)) report_for_duty(agent);
  }

  void report_for_duty(const AgentOptions& agent) {
    if (agent.standby) {
      phones_->call(agent.user, "line", "", agent.user);
    } else if (agent.uri.empty()) {
      switchboard_->on_sip(sip::Registered{agent.user,
                                           {{.uri = "sip:" + agent.user + "@10.2.2.2",
                                             .source = {"10.2.2.2", 5060},
                                             .expires = agenda_.now() + 1h}}});
    }
    (void)switchboard_->acd().set_status(agent.id, AgentState::available, "");
  }

  void plan_caller(int number) {
    static const std::vector<std::string> kExtensions = {
        "support",  "support",  "front", "balance", "mail",    "survey", "patience",
        "patience", "patience", "*45",   "*46",     "nowhere", "+4980"};
    static constexpr char kKeys[] = "111122239905#*";
    const std::string extension = chance_.of(kExtensions);
    std::string keys;
    for (int i = chance_.below(7); i > 0; --i)
      keys += kKeys[static_cast<std::size_t>(chance_.below(sizeof kKeys - 1))];
    const std::string from = "555" + std::to_string(number);
    const std::string user = extension[0] == '*' ? "210" + std::to_string(1 + chance_.below(4)) : "";
    agenda_.later(chance_.between(0ms, 40s),
                  [this, from, extension, keys, user] { phones_->call(from, extension, keys, user); });
  }

  // Agents come and go.
  void shift() {
    auto agents = desk().options.agents;
    const AgentOptions& agent = chance_.of(agents);
    diary_.note("shift", 0, agent.id);
    switch (chance_.below(4)) {
      case 0: return report_for_duty(agent);
      case 1: (void)switchboard_->acd().set_status(agent.id, AgentState::on_break, "lunch"); return;
      case 2: (void)switchboard_->acd().set_status(agent.id, AgentState::offline, ""); return;
      default:
        if (agent.uri.empty() && !agent.standby) switchboard_->on_sip(sip::Registered{agent.user, {}});
    }
  }

  // What an application asks for.
  void wish() {
    std::vector<std::string> live;
    for (const auto& [id, call] : calls_)
      if (call.ended == 0 && !call.lost) live.push_back(id);
    const int what = chance_.below(10);
    diary_.note("wish", static_cast<std::uint64_t>(what));
    if (what == 0 || live.empty()) {
      Originate request;
      request.uri = "sip:first@10.6.6.6";
      request.may_refer = request.dialled_may_refer = true;
      request.script = [](const CallInfo&) {
        return Switchboard::connect_script({.uri = "sip:second@10.6.6.6", .talk_on = true});
      };
      return switchboard_->originate("o" + std::to_string(++named_), std::move(request));
    }
    const std::string& call = chance_.of(live);
    const std::string& other = chance_.of(live);
    Switchboard& s = *switchboard_;
    switch (what) {
      case 1: return s.hang_up(call, "wish");
      case 2: (void)s.transfer(call, "sip:third@10.6.6.6"); return;
      case 3:
      case 4: {
        Prompt brief;
        brief.value = "A call.";
        (void)s.warm_transfer(call, "sip:warm@10.6.6.6", {brief}, chance_.in(50) ? "1" : "");
        return;
      }
      case 5: (void)s.join_partners(call, other); return;
      case 6: (void)s.hold(call, chance_.in(50)); return;
      case 7: (void)s.mute(call, chance_.in(50)); return;
      case 8:
        (void)s.supervise("s" + std::to_string(++named_), call, "sip:boss@10.6.6.6", Supervision::whisper);
        return;
      default:
        ++masks_asked_;
        s.mask("555" + std::to_string(chance_.below(7)), "999", 30s,
               [this](const absl::StatusOr<std::string>&) { ++masks_told_; });
    }
  }

  void settle_down() {
    diary_.note("all is calm");
    calm_ = true;
    store_down_until_ = {};
    phones_->calm = true;
    media_->cannot_open = 0;
    for (const AgentOptions& agent : desk().options.agents)
      if (!agent.standby) report_for_duty(agent);
  }

  // One turn of the control thread: what has come until now, or a part of it, then what that brings about.
  void round() {
    auto next = agenda_.next();
    const auto deadline = switchboard_->deadline();
    if (deadline && (!next || *deadline < *next)) next = deadline;
    if (!next) next = agenda_.now() + 1s;
    agenda_.advance(*next);
    if (chance_.in(3)) agenda_.advance(agenda_.now() + chance_.between(20ms, 200ms));  // it was kept busy
    std::function<void()> what;
    for (int few = chance_.in(30) ? 1 : 1000; few > 0 && agenda_.pop_due(what); --few) {
      what();
      if (!diary_.wrong().empty() || crash_) break;
    }
    if (crash_) return crash();
    if (stop_) return stop();
    switchboard_->work();
    const auto fits = switchboard_->check([this](StreamId stream) { return media_->with(stream); });
    if (!fits.ok()) diary_.wrong(std::string(fits.message()));
    media_->check();
    plan_commit();
  }

  void plan_commit() {
    if (commit_planned_ || writer_->waiting() == 0) return;
    commit_planned_ = true;
    agenda_.after(chance_.between(0ms, chance_.in(80) ? 60ms : 1s), Agenda::kStore,
                  [this, writer = writer_.get()] {
                    if (writer != writer_.get()) return;
                    commit_planned_ = false;
                    if (agenda_.now() < store_down_until_) return;  // tried again later
                    const std::size_t all = writer->waiting();
                    writer->commit(chance_.in(70) ? all : 1 + static_cast<std::size_t>(chance_.below(20)));
                  });
  }

  // kill -9: what was committed is left, and the journal.
  void crash() {
    crash_ = false;
    diary_.note("CRASH");
    ++crashes_;
    for (auto& [id, call] : calls_) call.lost = call.lost || call.ended == 0;
    bury();
    masks_asked_ = masks_told_ = 0;
    begin();
  }
  void bury() {
    phones_->die();
    media_->die();
    servers_->die();
    voice_->die();
    switchboard_.reset();
    grave_.push_back({std::move(phones_), std::move(media_), std::move(servers_), std::move(voice_)});
    writer_.reset();
    journal_.reset();
    commit_planned_ = false;
  }

  // As Engine::stop() has it.
  void stop() {
    diary_.note("stop");
    stop_ = false;
    switchboard_->drain();
    if (chance_.in(70)) switchboard_->end_all("shutting down");
    for (int i = chance_.below(20); i > 0; --i) {
      std::function<void()> what;
      agenda_.advance(agenda_.now() + 20ms);
      while (agenda_.pop_due(what)) what();
      if (crash_ || !diary_.wrong().empty()) break;
      switchboard_->work();
    }
    crash_ = false;
    phones_->stop();
    media_->stop();
    switchboard_->work();
    switchboard_->close_rest();
    switchboard_->save_router();
    switchboard_->work();
    writer_->commit(writer_->waiting());
    switchboard_->work();
    if (switchboard_->calls() != 0) diary_.wrong("a call is left after the stop");
    for (auto& [id, call] : calls_)
      if (call.ended == 0 && !call.lost) diary_.wrong(id + " has not ended with the engine");
    if (const int open = journal_->open_calls())
      diary_.wrong(std::to_string(open) + " slots of the journal are open after the stop");
    bury();
    begin();
  }

  bool at_rest() {
    return switchboard_->calls() == 0 && phones_->legs() == 0 && media_->open_streams() == 0 &&
           servers_->open() == 0 && writer_->waiting() == 0 &&
           switchboard_->acd().router().entries(agenda_.now()).empty() && journal_->open_calls() == 0;
  }
  std::string what_is_left() {
    std::string left = std::to_string(switchboard_->calls()) + " calls, " + std::to_string(phones_->legs()) +
                       " legs, " + std::to_string(media_->open_streams()) + " streams, " +
                       std::to_string(servers_->open()) + " requests, " + std::to_string(writer_->waiting()) +
                       " writes, " + std::to_string(journal_->open_calls()) + " journal slots;";
    for (const auto& [id, call] : calls_)
      if (call.ended == 0 && !call.lost) left += " call " + id;
    for (const Router::EntryView& entry : switchboard_->acd().router().entries(agenda_.now()))
      left += " entry of " + entry.queue + (entry.callback ? " (call back to " + entry.caller + ")" : "");
    return left;
  }

  void hear(const EngineEvent& event) {
    if (const auto* begun = std::get_if<EngineEvent::CallStarted>(&event.what)) {
      diary_.note("call started", 0, event.call + " " + begun->call.caller + " -> " + begun->call.called);
      callers_[event.call] = begun->call.caller;
      Known& call = calls_[event.call];
      // A call back that nobody had answered when the engine stopped is made again by its name.
      const bool again = event.call.find("-callback-") != std::string::npos && call.run != starts_;
      if (call.run != 0 && (!again || call.answered)) diary_.wrong(event.call + " has started twice");
      call = {.run = starts_};
      return;
    }
    if (const auto* noted = std::get_if<EngineEvent::Noted>(&event.what)) {
      if (const auto* left = std::get_if<note::NodeLeft>(&noted->note)) {
        diary_.note("node left", 0, event.call + " " + left->node + " by " + left->exit);
        if (left->type == "callback" && left->exit == "next") promised_.insert(callers_.at(event.call));
      }
      return;
    }
    if (const auto* routed = std::get_if<EngineEvent::Routed>(&event.what)) {
      if (diary_.aloud()) diary_.note("router", 0, acd::to_json(routed->what));
      return;
    }
    if (event.call.empty()) return;
    const auto it = calls_.find(event.call);
    if (it == calls_.end()) return diary_.wrong("of " + event.call + " something is told before its start");
    Known& call = it->second;
    if (call.ended != 0 || call.lost) diary_.wrong("of " + event.call + " something is told after its end");
    if (std::holds_alternative<EngineEvent::CallAnswered>(event.what)) call.answered = true;
    if (const auto* ended = std::get_if<EngineEvent::CallEnded>(&event.what)) {
      diary_.note("call ended", 0, event.call + " " + ended->record.status + " " + ended->record.cause);
      ++call.ended;
      if (ended->record.ended == Time{}) diary_.wrong(event.call + " has ended, its record has not");
      if ((ended->record.answered != Time{}) != call.answered)
        diary_.wrong(event.call + ": answered, says one, not answered, says the other");
    }
  }

  // After a crash: whoever was answered is closed, and nothing else has changed.
  void check_recovered(const Recovered& found) {
    if (crashes_ == 0) return;
    for (const auto& [id, call] : calls_) {
      const auto record = store_.records.find(id);
      if (call.lost && call.answered && record == store_.records.end())
        diary_.wrong(id + " was answered before the crash, and is in no record");
      if (record != store_.records.end() && record->second.ended == Time{})
        diary_.wrong(id + " is open in the store after the start");
      if (call.lost && !call.answered && record != store_.records.end())
        diary_.wrong(id + " was never answered, and has a record");
    }
    if (found.router_next != static_cast<std::int64_t>(store_.steps.size()))
      diary_.wrong("the router goes on at step " + std::to_string(found.router_next) + " of " +
                   std::to_string(store_.steps.size()));
  }

  void end() {
    for (const auto& [id, call] : calls_) {
      if (call.ended != (call.lost ? 0 : 1))
        diary_.wrong(id + " has ended " + std::to_string(call.ended) + " times");
      const auto record = store_.records.find(id);
      if (call.answered != (record != store_.records.end()))
        diary_.wrong(
            id + (call.answered ? " was answered and has no record" : " was not answered and has a record"));
      if (record != store_.records.end() && record->second.ended == Time{})
        diary_.wrong("the record of " + id + " is open");
    }
    std::set<std::string> dialogs;
    for (const auto& [id, record] : store_.records) {
      if (!record.sip_call_id.empty() && !dialogs.insert(record.sip_call_id).second)
        diary_.wrong("two records of " + record.sip_call_id);
      if (chance_.in(8)) check_replay(record);
    }
    for (const std::string& number : promised_) {
      const CalledBack& back = called_back_[number];
      if (back.dialled == 0) diary_.wrong(number + " was promised a call back, and never called");
    }
    std::map<std::string, int> asked;
    for (const RouterStep& step : store_.steps) {
      if (called_back_.empty()) break;
      if (step.event.find("callback") == std::string::npos) continue;
      const auto happened = acd::event_from_json(step.event);
      if (!happened.ok()) continue;
      if (const auto* request = std::get_if<acd::CallbackRequested>(&*happened)) ++asked[request->number];
    }
    for (const auto& [number, back] : called_back_)
      if (number.starts_with("555") && back.answered > asked[number])
        diary_.wrong(number + " was called back and answered " + std::to_string(back.answered) + " times");
    if (masks_told_ != masks_asked_) diary_.wrong("a mask was asked for, and nobody told how that went");
    if (chance_.in(10)) check_router();
  }

  // Its log gives the same commands again.
  void check_replay(const CallRecord& record) {
    const auto flow = desk().flows.find(record.flow_digest);
    const auto log = store_.logs.find(record.id);
    if (flow == desk().flows.end() || log == store_.logs.end()) return;
    std::vector<LogEntry> entries;
    for (const CallEvent& line : log->second) {
      auto entry = parse_log_line(line.json);
      if (!entry.ok()) return diary_.wrong("log of " + record.id + ": " + entry.status().ToString());
      entries.push_back(*std::move(entry));
    }
    const auto again = replay(entries, flow->second);
    if (!again.ok()) return diary_.wrong("log of " + record.id + ": " + again.status().ToString());
    if (again->differs_at >= 0)
      diary_.wrong("log of " + record.id + ", step " + std::to_string(again->differs_at) + ": " +
                   again->logged + ", run again: " + again->replayed);
  }

  // The router's log, run from its beginning, is the router as it stands, and every step of it.
  void check_router() {
    Router again;
    acd::Commands commands;
    for (const RouterStep& step : store_.steps) {
      const auto happened = parse_router_step(step);
      if (!happened.ok()) return diary_.wrong("router's log: " + happened.status().ToString());
      commands.clear();
      again.step(happened->event, happened->at, commands);
      std::string text = "[";
      for (const acd::Command& command : commands) {
        if (text.size() > 1) text += ',';
        text += acd::to_json(command);
      }
      if (text + "]" != step.commands)
        return diary_.wrong("router's step " + std::to_string(step.sequence) + " gave " + step.commands +
                            ", run again " + text + "]");
    }
    if (again.save() != switchboard_->acd().router().save())
      diary_.wrong("the router's log does not lead to the router that is there");
  }

  Chance chance_;
  Agenda agenda_;
  Diary diary_;
  const Around around_;
  MemoryStore store_;
  const std::string journal_path_;
  std::unique_ptr<CallJournal> journal_;
  std::unique_ptr<Media> media_;
  std::unique_ptr<Telephones> phones_;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<Voice> voice_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Switchboard> switchboard_;
  struct Gone {  // kept, for what still refers to it on the agenda
    std::unique_ptr<Telephones> phones;
    std::unique_ptr<Media> media;
    std::unique_ptr<Servers> servers;
    std::unique_ptr<Voice> voice;
  };
  std::vector<Gone> grave_;
  std::map<std::string, Known> calls_;
  std::map<std::string, std::string> callers_;  // by call
  std::set<std::string> promised_;              // numbers
  struct CalledBack {
    int dialled = 0, answered = 0;
  };
  std::map<std::string, CalledBack> called_back_;
  int named_ = 0, starts_ = 0, crashes_ = 0, masks_asked_ = 0, masks_told_ = 0;
  bool calm_ = false, crash_ = false, stop_ = false, commit_planned_ = false;
  Time store_down_until_{};
};

std::optional<std::uint64_t> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

class Schedules : public testing::TestWithParam<int> {
 protected:
  static constexpr int kShards = 4;
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("ivr-schedules-" + std::to_string(getpid()) + "-" + std::to_string(GetParam()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string journal() const { return (folder_ / "calls").string(); }

 private:
  std::filesystem::path folder_;
};

TEST_P(Schedules, ComeToRestWithEveryCallAccountedFor) {
  if (const auto seed = number_in("IVR_SCHEDULE_SEED")) {
    if (GetParam() != 0) return;
    const std::string wrong = Schedule(*seed, true, journal()).run();
    EXPECT_EQ(wrong, "") << "seed " << *seed;
    return;
  }
  const std::uint64_t all = number_in("IVR_SCHEDULES").value_or(200);
  int failures = 0;
  for (std::uint64_t seed = 1 + static_cast<std::uint64_t>(GetParam()); seed <= all; seed += kShards) {
    const std::string wrong = Schedule(seed, false, journal()).run();
    if (wrong.empty()) continue;
    ADD_FAILURE() << "seed " << seed << ": " << wrong << "\n  IVR_SCHEDULE_SEED=" << seed
                  << " engine_tests --gtest_filter='*Schedules*'   shows how it came to that";
    if (++failures == 5) return;
  }
}

TEST_P(Schedules, GoTheSameWayAgain) {
  if (GetParam() != 0) return;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const auto run = [&] {
      Schedule schedule(seed, false, journal());
      const std::string wrong = schedule.run();
      return std::pair(wrong, schedule.hash());
    };
    const auto once = run();
    EXPECT_EQ(once, run()) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Schedules, testing::Range(0, 4));

}  // namespace
}  // namespace ivr::schedule
