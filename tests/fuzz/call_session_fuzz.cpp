// Any order of events under any script: the commands stay in order (what is stopped was started, who joins a
// queue leaves it once, every recording ends), the call ends, and its log replays byte for byte.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "ivr/call_session.hpp"
#include "ivr/event_log.hpp"
#include "require.hpp"

namespace {

using namespace ivr;

Prompts say(const char* text) { return {Prompt{Prompt::Kind::text, text, "en"}}; }
Prompts marked() {
  Prompts prompts = {Prompt{Prompt::Kind::text, "a", "en"}, Prompt{Prompt::Kind::text, "b", "en"}};
  prompts[1].mark = "m";
  return prompts;
}

// Wants one thing after another, whatever it is told.
class Caprice : public Script {
 public:
  explicit Caprice(std::uint32_t luck) : luck_(luck) {}

  void step(const Outcome& outcome, Time, ScriptOutput& out) override {
    if (!std::holds_alternative<outcome::Ended>(outcome)) out.intent.push_back(next());
  }

 private:
  Intent next() {
    luck_ = luck_ * 1664525u + 1013904223u;
    const std::uint32_t l = luck_ >> 8;
    const auto barge = static_cast<BargeIn>(l / 16 % 4);
    const bool flag = l / 64 % 2 == 0;
    switch (l % 16) {
      case 0:
        return intent::Play{.prompts = marked(),
                            .loops = static_cast<int>(l / 16 % 3),
                            .barge_in = barge,
                            .barge_at = static_cast<BargeAt>(l / 128 % 3)};
      case 1:
        return intent::Collect{.prompts = flag ? marked() : Prompts{},
                               .barge_in = barge,
                               .max = 3,
                               .barge_at = static_cast<BargeAt>(l / 128 % 3)};
      case 2: return intent::Collect{.barge_in = barge, .max = 4, .carry = flag, .sensitive = true};
      case 3: return intent::Record{.prompts = flag ? say("c") : Prompts{}, .beep = l / 128 % 2 == 0};
      case 4: return intent::Fetch{.request = {.url = "http://x/"}, .filler = flag ? say("d") : Prompts{}};
      case 5:
        return intent::Transfer{.uri = "sip:a@b",
                                .ring_limit = 5s,
                                .record = flag,
                                .max_talk = Millis(l % 2 * 9000),
                                .refer = l / 128 % 4 == 0};
      case 6: return intent::Wait{Millis(l % 1000)};
      case 7: return intent::SendDigits{flag ? "12" : ""};
      case 8: return intent::Listen{.until_silence = flag};
      case 9: return intent::Answer{};
      case 10: return intent::Callback{"1"};
      case 11: return flag ? Intent(intent::Serve{}) : Intent(intent::Decline{});
      case 12: return flag ? Intent(intent::Hangup{}) : Intent(intent::Wait{});
      default:
        return intent::Queue{.queue = l / 128 % 4 == 0 ? "vip" : "support",
                             .say = flag ? say("e") : Prompts{},
                             .exit_keys = "9*",
                             .record = l / 512 % 2 == 0,
                             .max_talk = Millis(l / 1024 % 2 * 9000),
                             .max_wait = Millis(l / 2048 % 2 * 20000)};
    }
  }
  std::uint32_t luck_;
};

// What an engine keeps of a call, as far as it decides which events can come and which commands make sense.
class World {
 public:
  World(std::uint32_t luck, const CallSessionOptions& options)
      : luck_(luck), options_(options), session_(std::make_unique<Caprice>(luck), options) {}

  void run(std::span<const std::uint8_t> bytes) {
    const bool outbound = luck_ % 8 == 0;
    step(event::Invited{{.id = "c", .direction = outbound ? Direction::outbound : Direction::inbound}});
    for (std::size_t i = 0; i + 1 < bytes.size() && !session_.done(); i += 2) {
      now_ += Millis(bytes[i + 1] * 10);
      if (session_.deadline() && *session_.deadline() <= now_) step(event::Tick{});
      happen(bytes[i], bytes[i + 1]);
    }
    step(event::Stop{"over"});
    step(event::LegEnded{});
    while (!records_.empty()) end_record(*records_.begin());
    require(session_.done() && place_ != Place::waiting);
    for (const Event& late : {Event(event::Tick{}), Event(event::Unbridged{}), Event(event::PlayEnded{1})}) {
      Commands out;
      session_.step(late, now_, out);
      require(out.empty());
    }
    const auto again = replay(log_, std::make_unique<Caprice>(luck_), options_);
    require(again.ok() && again->differs_at == -1);
  }

 private:
  enum class Place { none, waiting, talking };

  void happen(std::uint8_t what, std::uint8_t how) {
    if (asked_back_) {
      if (place_ == Place::waiting && how % 4 != 0) place_ = Place::none;
      asked_back_ = false;
      return step(event::CallbackTaken{how % 4 != 0});
    }
    switch (what % 21) {
      case 0:
        if (!std::exchange(up_, true)) step(event::Established{});
        return;
      case 1:
      case 2: return step(event::DigitHeard{"0123456789*#9*#1"[how % 16], DigitSource::inband});
      case 3:
      case 4:
        return step(event::PlayEnded{plays_ - how % 2, Millis(how), how % 3 != 0, how == 7 ? "no" : ""});
      case 5:
        if (!records_.empty()) end_record(*records_.begin());
        return;
      case 6: return step(event::HttpReplied{how % 8u, {200, "{}", {}}});
      case 7: return step(event::DigitsSent{});
      case 8: return step(event::VoiceBegan{});
      case 9: return step(event::VoiceEnded{});
      case 10: return step(event::LegAnswered{legs_});
      case 11: return step(event::LegEnded{how % 32 == 0 ? 0 : std::max(1, legs_), how, "", true});
      case 12: return step(event::QueueAnnounced{{.position = how % 5, .message = how % 3 - 1}});
      case 13:
        if (place_ != Place::waiting) return;
        place_ = Place::none;
        return step(event::QueueLeft{static_cast<outcome::QueueEnd>(1 + how % 3)});
      case 14:
      case 15:
        if (place_ == Place::none && !serves_) return;
        place_ = Place::talking;
        serves_ = false;
        return step(event::Bridged{"d", "ann", Millis(how), {}});
      case 16:
        if (place_ != Place::talking) return;
        place_ = Place::none;
        return step(event::Unbridged{how % 2 == 0 ? "sip:x@y" : "", how % 3 == 0});
      case 17:
        serves_ = false;
        return step(event::Offered{how % 2 == 0 ? say("w") : Prompts{}, how % 3 == 0 ? "1" : ""});
      case 18: return step(event::ReferProgress{how % 8 * 100});
      case 19: return step(event::LegReferred{std::max(1, legs_ - how % 2), "sip:z@b"});
      default:
        if (how % 16 != 0) return step(event::PeerHeld{how % 2 == 0});
        return step(event::MediaLost{});
    }
  }

  void end_record(RecordId record) {
    records_.erase(record);
    step(event::RecordEnded{record, "r.wav", Millis(100), outcome::RecordEnd::max_length, {}});
  }

  void step(const Event& event) {
    if (session_.done()) return;
    Commands out;
    const Event logged = session_.for_log(event).value_or(event);
    session_.step(event, now_, out);
    auto entry = parse_log_line(
        log_line(static_cast<std::int64_t>(log_.size()), now_, logged, out, session_.revealed()));
    require(entry.ok());
    log_.push_back(*std::move(entry));
    for (const Command& command : out) take(command);
    if (const auto* ended = std::get_if<event::LegEnded>(&event); ended != nullptr && ended->leg == 0) {
      require(place_ != Place::waiting || asked_back_);
      place_ = Place::none;
      asked_back_ = serves_ = false;
    }
  }

  void take(const Command& command) {
    if (const auto* play = std::get_if<command::Play>(&command)) {
      require(play->play == ++plays_);
    } else if (const auto* stop = std::get_if<command::StopPlay>(&command)) {
      require(stop->play != 0 && stop->play <= plays_);
    } else if (const auto* start = std::get_if<command::StartRecord>(&command)) {
      require(records_.insert(start->record).second);
    } else if (const auto* end = std::get_if<command::StopRecord>(&command)) {
      require(records_.contains(end->record) && stopped_.insert(end->record).second);
    } else if (const auto* dial = std::get_if<command::Dial>(&command)) {
      legs_ = dial->leg;
    } else if (std::holds_alternative<command::JoinQueue>(command)) {
      require(place_ != Place::waiting);
      place_ = Place::waiting;
    } else if (std::holds_alternative<command::LeaveQueue>(command)) {
      require(place_ == Place::waiting);
      place_ = Place::none;
    } else if (std::holds_alternative<command::RequestCallback>(command)) {
      asked_back_ = true;
    } else if (std::holds_alternative<command::Serve>(command) ||
               std::holds_alternative<command::Decline>(command)) {
      serves_ = true;
    } else if (std::holds_alternative<command::Part>(command)) {
      require(place_ == Place::talking);
    }
  }

  std::uint32_t luck_;
  CallSessionOptions options_;
  CallSession session_;
  std::vector<LogEntry> log_;
  Time now_{};
  PlayId plays_ = 0;
  LegNumber legs_ = 0;
  std::set<RecordId> records_, stopped_;
  Place place_ = Place::none;
  bool up_ = false, asked_back_ = false, serves_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const CallSessionOptions options{.answer_later = (data[0] & 1) != 0,
                                   .record = (data[0] & 2) != 0,
                                   .max_queued_digits = 8,
                                   .secret_type_ahead = (data[0] & 4) != 0};
  World(data[1] * 256u + data[2], options).run({data + 3, size - 3});
  return 0;
}
