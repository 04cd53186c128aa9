#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/prompt_library.hpp"
#include "ivr/ports.hpp"

// The world around a switchboard, on a clock of its own and out of one seed: everything that threads,
// telephones and servers would say comes from one agenda, whose order is drawn. Each port holds the engine to
// its contract.

namespace ivr::schedule {

// SplitMix64: enough to draw schedules, and made in no time.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  int below(int n) { return static_cast<int>(next() % static_cast<std::uint64_t>(n)); }
  bool in(int percent) { return below(100) < percent; }
  // In steps of 20 ms, so that much falls into the very same instant.
  Millis between(Millis least, Millis most) {
    if (most <= least) return least;
    return least + Millis{20} * below(static_cast<int>((most - least) / Millis{20}) + 1);
  }
  template <class Range>
  auto& of(Range& range) {
    return range[static_cast<std::size_t>(below(static_cast<int>(range.size())))];
  }

 private:
  std::uint64_t state_;
};

// What will happen, and when. What comes by one channel keeps its order; what falls into one instant by
// several comes in any.
class Agenda {
 public:
  using Channel = std::uint64_t;
  enum : Channel { kStore = 1, kHttp = 2, kWorld = 3, kRecordings = 4, kPrompts = 5 };
  static constexpr Channel sip(LegId leg) { return leg << 8 | 16; }
  static constexpr Channel media(StreamId stream) { return (stream % 2) << 8 | 17; }  // two media threads

  Agenda(Chance& chance, Time start) : chance_(chance), now_(start) {}

  Time now() const { return now_; }
  void advance(Time to) { now_ = std::max(now_, to); }

  void after(Millis delay, Channel channel, std::function<void()> what) {
    Last& last = last_[channel];
    Time at = now_ + delay;
    if (at <= last.at) {
      at = last.at;
    } else {
      last = {at, chance_.next()};
    }
    events_.emplace(Key{at, last.tie, next_++}, std::move(what));
  }
  // Whatever the channel has to say: a mind of one's own.
  void later(Millis delay, std::function<void()> what) {
    events_.emplace(Key{now_ + delay, chance_.next(), next_++}, std::move(what));
  }

  std::optional<Time> next() const {
    if (events_.empty()) return std::nullopt;
    return events_.begin()->first.at;
  }
  bool pop_due(std::function<void()>& what) {
    if (events_.empty() || events_.begin()->first.at > now_) return false;
    what = std::move(events_.begin()->second);
    events_.erase(events_.begin());
    return true;
  }
  void clear() {
    events_.clear();
    last_.clear();
  }

 private:
  struct Key {
    Time at;
    std::uint64_t tie, number;
    auto operator<=>(const Key&) const = default;
  };
  struct Last {
    Time at{};
    std::uint64_t tie = 0;
  };
  Chance& chance_;
  Time now_;
  std::uint64_t next_ = 0;
  std::map<Key, std::function<void()>> events_;
  std::map<Channel, Last> last_;
};

// Who writes down what happens: the trace of a replay, the hash by which two runs of a seed are compared, and
// what was wrong first.
class Diary {
 public:
  Diary(const Agenda& agenda, bool aloud) : agenda_(agenda), start_(agenda.now()), aloud_(aloud) {}

  void note(const char* what, std::uint64_t number = 0, const std::string& more = {}) {
    mix(static_cast<std::uint64_t>(agenda_.now().time_since_epoch().count()));
    for (const char* c = what; *c != 0; ++c) mix(static_cast<unsigned char>(*c));
    mix(number);
    for (const char c : more) mix(static_cast<unsigned char>(c));
    if (!aloud_) return;
    std::printf("%10.3f  %-18s %4llu  %s\n",
                static_cast<double>((agenda_.now() - start_).count()) / 1'000'000, what,
                static_cast<unsigned long long>(number), more.c_str());
  }
  void wrong(const std::string& what) {
    note("WRONG", 0, what);
    if (wrong_.empty())
      wrong_ = "after " + std::to_string((agenda_.now() - start_).count() / 1000) + " ms: " + what;
  }
  const std::string& wrong() const { return wrong_; }
  std::uint64_t hash() const { return hash_; }
  bool aloud() const { return aloud_; }

 private:
  void mix(std::uint64_t value) { hash_ = (hash_ ^ value) * 1099511628211u; }
  const Agenda& agenda_;
  const Time start_;
  const bool aloud_;
  std::uint64_t hash_ = 14695981039346656037u;
  std::string wrong_;
};

struct Around {  // what every port has
  Chance& chance;
  Agenda& agenda;
  Diary& diary;
};

// ------------------------------------------------------------------------------------------- media

class Media final : public MediaPort {
 public:
  explicit Media(Around around) : a_(around) {}

  int cannot_open = 0;  // percent
  bool slow_disk = false;

  absl::Status start(const MediaOptions&, std::function<void()>) override { return absl::OkStatus(); }
  absl::StatusOr<Address> open(StreamId id, const StreamOptions& options) override {
    if (a_.chance.in(cannot_open)) return absl::ResourceExhaustedError("no RTP port is free");
    if (!streams_.try_emplace(id).second) wrong("opened twice", id);
    streams_[id].timeout = options.rtp_timeout;
    a_.diary.note("open stream", id);
    return Address{"10.0.0.1", static_cast<std::uint16_t>(2 * id)};
  }
  void set_remote(StreamId id, const RemoteMedia&) override { used(id, "set_remote"); }
  void play(StreamId id, PlayId play, std::vector<ClipPtr> clips, int loops, Millis) override {
    Stream* const s = used(id, "play");
    if (s == nullptr) return;
    end_play(id, *s);
    if (clips.empty()) wrong("plays nothing", id);
    Millis length{0};
    for (const ClipPtr& clip : clips) length += Millis{clip->samples / 8};
    s->play = play;
    s->play_began = a_.agenda.now();
    a_.diary.note("play", id, std::to_string(play) + " for " + std::to_string(length.count()) + " ms");
    if (loops == 0) return;
    a_.agenda.after(length * loops, Agenda::media(id),
                    [this, id, play, all = length * loops, s_alive = alive_] {
                      if (!*s_alive) return;
                      Stream* const now = find(id);
                      if (now == nullptr || now->play != play || now->closing) return;
                      now->play = 0;
                      tell(media::PlayEnded{id, play, all.count() * 8, true});
                    });
  }
  void stop_play(StreamId id, PlayId play) override {
    Stream* const s = used(id, "stop_play");
    if (s != nullptr && s->play == play) end_play(id, *s);
  }
  void send_digits(StreamId id, std::string digits, Millis tone, Millis gap) override {
    if (used(id, "send_digits") != nullptr)
      notice(id, (tone + gap) * static_cast<int>(digits.size()), media::DigitsSent{id});
  }
  void start_record(StreamId id, RecordId record, const RecordSpec& spec) override {
    Stream* const s = used(id, "start_record");
    if (s == nullptr) return;
    a_.diary.note("record", id, std::to_string(record));
    s->records[record] = a_.agenda.now();
    Millis length = spec.max > 0ms ? spec.max : Millis{24h};
    outcome::RecordEnd end = outcome::RecordEnd::max_length;
    if (a_.chance.in(3)) {
      length = a_.chance.between(0ms, 500ms);
      end = outcome::RecordEnd::failed;
    } else if (spec.silence > 0ms && a_.chance.in(50)) {
      length = std::min(length, spec.silence + a_.chance.between(0ms, 9s));
      end = outcome::RecordEnd::silence;
    }
    a_.agenda.later(length, [this, id, record, end, s_alive = alive_] {
      if (!*s_alive) return;
      if (Stream* const now = find(id); now != nullptr && !now->closing) end_record(id, *now, record, end);
    });
  }
  void stop_record(StreamId id, RecordId record) override {
    if (Stream* const s = used(id, "stop_record")) end_record(id, *s, record, outcome::RecordEnd::finish_key);
  }
  void detect_voice(StreamId id, bool on) override {
    if (used(id, "detect_voice") == nullptr || !on || !a_.chance.in(60)) return;
    notice(id, a_.chance.between(200ms, 4s), media::VoiceBegan{id});
    notice(id, a_.chance.between(4s, 7s), media::VoiceEnded{id, 400ms});
  }
  void bridge(StreamId a, StreamId b, const BridgeOptions&) override {
    Stream* const one = used(a, "bridge");
    Stream* const other = used(b, "bridge");
    if (one == nullptr || other == nullptr) return;
    if (a == b) return wrong("bridged with itself", a);
    if (one->with != b) {
      part(a);
      part(b);
    }
    one->with = b;
    other->with = a;
    a_.diary.note("bridge", a, std::to_string(b));
  }
  void unbridge(StreamId a, StreamId b) override {
    used(a, "unbridge");
    used(b, "unbridge");
    if (Stream* const one = find(a); one != nullptr && one->with == b) part(a);
  }
  void hide_digits(StreamId id, bool) override { used(id, "hide_digits"); }
  void mute(StreamId id, bool) override { used(id, "mute"); }
  void supervise(StreamId id, StreamId party, Supervision) override {
    used(id, "supervise");
    used(party, "supervise");
  }
  void close(StreamId id) override {
    Stream* const s = used(id, "close");
    if (s == nullptr) return;
    a_.diary.note("close stream", id);
    end_play(id, *s);
    while (!s->records.empty()) end_record(id, *s, s->records.begin()->first, outcome::RecordEnd::hangup);
    part(id);
    s->closing = true;
    a_.agenda.after(a_.chance.between(0ms, 60ms), Agenda::media(id), [this, id, s_alive = alive_] {
      if (!*s_alive) return;
      streams_.erase(id);
      tell(media::Closed{id, {}});
    });
  }
  bool next_event(media::Event& event) override {
    if (told_.empty()) return false;
    event = std::move(told_.front());
    told_.pop_front();
    return true;
  }
  StreamStats stats(StreamId) override { return {}; }
  int open_streams() const override { return static_cast<int>(streams_.size()); }
  std::optional<std::string> overload() const override {
    if (a_.chance.in(1)) return "late by 40 ms, at most 20 ms";
    return std::nullopt;
  }
  // All that was on the way is there, and nothing more comes but the ends of recordings.
  void stop() override {
    for (auto& [id, s] : streams_) {
      if (s.closing) continue;
      end_play(id, s);
      while (!s.records.empty()) end_record(id, s, s.records.begin()->first, outcome::RecordEnd::hangup);
      told_.push_back(media::Closed{id, {}});
    }
    streams_.clear();
    stopped_ = true;
  }
  void die() { *alive_ = false; }

  // Of peers: a key is pressed, by one or several ways that the engine has to see as one.
  void press(StreamId id, char digit) {
    if (Stream* const s = find(id); s == nullptr || s->closing) return;
    const auto key = static_cast<std::uint32_t>(a_.agenda.now().time_since_epoch().count() / 125);
    notice(id, 0ms, media::DigitBegan{id, DigitSource::rtp_event, digit, key});
    if (a_.chance.in(20)) {
      notice(id, 40ms, media::DigitBegan{id, DigitSource::inband, digit, 0});
      notice(id, 120ms, media::DigitEnded{id, DigitSource::inband, digit, 0, 80ms});
    }
    notice(id, 100ms, media::DigitEnded{id, DigitSource::rtp_event, digit, key, 100ms});
  }
  void fall_silent(StreamId id) {
    const Stream* const s = find(id);
    if (s != nullptr && s->timeout > 0ms) notice(id, s->timeout, media::TimedOut{id});
  }

  StreamId with(StreamId id) {
    const Stream* const s = find(id);
    return s == nullptr ? 0 : s->with;
  }
  // Of those that are bridged each is with one that is bridged with it.
  void check() {
    for (const auto& [id, s] : streams_) {
      if (s.with == 0) continue;
      const Stream* const other = find(s.with);
      if (other == nullptr || other->with != id) wrong("bridged with one that is not", id);
    }
  }

 private:
  struct Stream {
    PlayId play = 0;
    Time play_began{};
    std::map<RecordId, Time> records;
    StreamId with = 0;
    bool closing = false;
    Millis timeout{0};
  };

  Stream* find(StreamId id) {
    const auto it = streams_.find(id);
    return it == streams_.end() ? nullptr : &it->second;
  }
  void wrong(const char* what, StreamId id) { a_.diary.wrong("stream " + std::to_string(id) + ": " + what); }
  // Whatever is asked has to be asked of a stream that is there.
  Stream* used(StreamId id, const char* how) {
    Stream* const s = find(id);
    if (stopped_) return nullptr;
    if (s == nullptr || s->closing) {
      a_.diary.wrong(std::string("media: ") + how + " of stream " + std::to_string(id) +
                     (s != nullptr ? ", which has been told to close" : ", which is not there"));
      return nullptr;
    }
    return s;
  }
  void part(StreamId id) {
    Stream* const s = find(id);
    if (s == nullptr || s->with == 0) return;
    if (Stream* const other = find(std::exchange(s->with, 0))) other->with = 0;
  }
  void end_play(StreamId id, Stream& s) {
    if (s.play == 0) return;
    const auto played = std::chrono::duration_cast<Millis>(a_.agenda.now() - s.play_began);
    notice(id, a_.chance.in(50) ? 0ms : a_.chance.between(0ms, 40ms),
           media::PlayEnded{id, std::exchange(s.play, 0), played.count() * 8, false});
  }
  void end_record(StreamId id, Stream& s, RecordId record, outcome::RecordEnd end) {
    const auto it = s.records.find(record);
    if (it == s.records.end()) return;
    const auto length = std::chrono::duration_cast<Millis>(a_.agenda.now() - it->second);
    s.records.erase(it);
    media::RecordEnded ended{id, record, length.count() * 8, end, {}};
    if (end == outcome::RecordEnd::failed) ended.error = "the disk is full";
    const Millis disk = slow_disk ? a_.chance.between(0ms, 9s) : a_.chance.between(0ms, 60ms);
    a_.agenda.after(disk, Agenda::kRecordings, [this, ended, s_alive = alive_] {
      if (*s_alive) tell(ended);
    });
  }
  template <class Event>
  void notice(StreamId id, Millis delay, Event event) {
    a_.agenda.after(delay, Agenda::media(id), [this, event, s_alive = alive_] {
      if (*s_alive && find(event.stream) != nullptr) tell(event);
    });
  }
  template <class Event>
  void tell(Event event) {
    a_.diary.note("media tells", event.stream, std::to_string(media::Event(event).index()));
    told_.push_back(std::move(event));
  }

  Around a_;
  std::map<StreamId, Stream> streams_;
  std::deque<media::Event> told_;
  bool stopped_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// --------------------------------------------------------------------------------------------- SIP

// The SIP stack and all telephones at its other end. A leg goes through the states that the real one has.
class Telephones final : public SipPort {
 public:
  Telephones(Around around, Media& media, LegId first) : a_(around), media_(media), next_(first) {}

  bool calm = false;  // nobody is difficult any more: things come to rest
  std::function<void(const std::string&user)> dialled, answered;

  absl::Status start(const SipOptions&, Sink sink) override {
    sink_ = std::move(sink);
    return absl::OkStatus();
  }
  Address local_address() const override { return {"10.0.0.1", 5060}; }
  void run(Micros) override {}
  void wake() noexcept override {}

  LegId invite(const sip::Invite& request) override {
    const LegId id = add(true, user_of(request.uri));
    Leg& leg = legs_.at(id);
    leg.stream = stream_of(request.sdp);
    a_.diary.note("invite", id, request.uri);
    if (dialled) dialled(leg.user);
    be_called(id);
    return id;
  }
  void ring(LegId id, int, std::optional<std::string> sdp) override {
    Leg* const leg = used(id, "ring");
    if (leg == nullptr) return;
    if (leg->outbound || leg->state != State::early) wrong("rings", *leg);
    if (sdp) leg->stream = stream_of(*sdp);
  }
  void answer(LegId id, std::string sdp) override {
    Leg* const leg = used(id, "answer");
    if (leg == nullptr) return;
    if (leg->outbound || leg->state != State::early) return wrong("is answered", *leg);
    a_.diary.note("answer", id);
    leg->state = State::answered;
    leg->stream = stream_of(sdp);
    if (a_.chance.in(2)) {  // the ACK is lost for good
      return act(id, 32s, [this](Leg& l) {
        if (l.state == State::answered) end(l.id, 408, "no ACK", true);
      });
    }
    act(id, a_.chance.between(0ms, 120ms), [this](Leg& l) {
      if (l.state != State::answered) return;
      l.state = State::up;
      if (l.bye_when_acked) return bye_from_us(l);
      sink_(sip::Established{l.id, l.late_offer ? std::optional(answer_of(false)) : std::nullopt});
    });
  }
  void reject(LegId id, int status, std::string reason, std::optional<Millis>) override {
    Leg* const leg = used(id, "reject");
    if (leg == nullptr) return;
    if (leg->outbound || leg->state != State::early) return wrong("is rejected", *leg);
    leg->state = State::ending;
    a_.diary.note("reject", id, std::to_string(status) + " " + reason);
    act(id, a_.chance.between(0ms, 80ms),
        [this, status, reason](Leg& l) { end(l.id, status, reason, false); });
  }
  void offer(LegId id, std::string) override { used(id, "offer"); }
  void accept_offer(LegId id, std::string) override {
    if (Leg* const leg = used(id, "accept_offer"); leg != nullptr && !std::exchange(leg->reoffered, false))
      wrong("accepts no offer", *leg);
  }
  void refuse_offer(LegId id, int) override {
    if (Leg* const leg = used(id, "refuse_offer"); leg != nullptr && !std::exchange(leg->reoffered, false))
      wrong("refuses no offer", *leg);
  }
  void refer(LegId id, std::string, LegId) override {
    Leg* const leg = used(id, "refer");
    if (leg == nullptr) return;
    const bool up = leg->state == State::up;
    act(id, a_.chance.between(0ms, 2s), [this, up](Leg& l) {
      if (l.state == State::up) sink_(sip::ReferProgress{l.id, !up ? 481 : a_.chance.in(50) ? 200 : 486});
    });
  }
  void accept_refer(LegId id) override {
    if (Leg* const leg = used(id, "accept_refer"); leg != nullptr && !std::exchange(leg->referral, false))
      wrong("accepts no REFER", *leg);
  }
  void refuse_refer(LegId id, int) override {
    if (Leg* const leg = used(id, "refuse_refer"); leg != nullptr && !std::exchange(leg->referral, false))
      wrong("refuses no REFER", *leg);
  }
  void notify_refer(LegId id, int) override { used(id, "notify_refer"); }
  std::uint64_t enrol(const sip::Enrol&) override { return 1; }
  void withdraw(std::uint64_t) override {}
  void hang_up(LegId id, std::string reason) override {
    Leg* const leg = used(id, "hang_up");
    if (leg == nullptr || leg->state == State::ending || leg->bye_when_acked) return;
    a_.diary.note("hang up", id, reason);
    switch (leg->state) {
      case State::early:
        if (!leg->outbound) return reject(id, 480, std::move(reason), std::nullopt);
        leg->state = State::ending;
        // 200 and CANCEL may cross; a telephone that is gone hears neither.
        return act(id, leg->silent ? Millis{32s} : a_.chance.between(0ms, 200ms),
                   [this](Leg& l) { end(l.id, a_.chance.in(25) ? 0 : 487, "cancelled", false); });
      case State::answered: leg->bye_when_acked = true; return;
      case State::up: return bye_from_us(*leg);
      case State::ending: return;
    }
  }
  void stop() override {
    legs_.clear();
    stopped_ = true;
  }

  int legs() const { return static_cast<int>(legs_.size()); }

  // Somebody calls us, and does what callers do.
  LegId call(const std::string& from, const std::string& extension, const std::string& keys,
             const std::string& user = {}) {
    const LegId id = add(false, from);
    Leg& leg = legs_.at(id);
    leg.late_offer = a_.chance.in(10);
    a_.diary.note("call", id, from + " to " + extension);
    sip::Invited invited;
    invited.leg = id;
    invited.call_id = "call-" + std::to_string(id);
    invited.from_tag = "tag";
    invited.from_user = from;
    invited.from_uri = "sip:" + from + "@10.9.9.9";
    invited.request_user = extension;
    invited.request_uri = "sip:" + extension + "@10.0.0.1";
    invited.to_uri = invited.request_uri;
    if (!leg.late_offer) invited.offer = a_.chance.in(2) ? "v=0\r\nnothing else" : answer_of(false);
    invited.source = {"10.9.9.9", 5060};
    invited.user = user;
    Millis at{0};
    for (const char key : keys) {
      at += a_.chance.between(100ms, 6s);
      act(id, at, [this, key](Leg& l) { press(l, key); });
    }
    behave(id, a_.chance.between(100ms, a_.chance.in(30) ? Millis{4s} : Millis{90s}));
    sink_(invited);
    return id;
  }

 private:
  enum class State { early, answered, up, ending };
  struct Leg {
    LegId id = 0;
    bool outbound = false;
    std::string user;
    State state = State::early;
    StreamId stream = 0;
    bool late_offer = false, bye_when_acked = false;
    bool silent = false;  // the telephone has lost its network
    bool reoffered = false, referral = false, held = false;
  };

  static std::string user_of(const std::string& uri) {
    const auto colon = uri.find(':'), at = uri.find('@');
    return at == std::string::npos ? uri : uri.substr(colon + 1, at - colon - 1);
  }
  static StreamId stream_of(const std::string& sdp) {
    const auto at = sdp.find("m=audio ");
    return at == std::string::npos ? 0 : static_cast<StreamId>(std::atoi(sdp.c_str() + at + 8)) / 2;
  }
  static std::string answer_of(bool held) {
    return std::string(
               "v=0\r\no=- 1 1 IN IP4 10.9.9.9\r\ns=-\r\nc=IN IP4 10.9.9.9\r\nt=0 0\r\n"
               "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
               "a=rtpmap:101 telephone-event/8000\r\na=") +
           (held ? "sendonly\r\n" : "sendrecv\r\n");
  }

  LegId add(bool outbound, std::string user) {
    const LegId id = next_++;
    Leg& leg = legs_[id];
    leg.id = id;
    leg.outbound = outbound;
    leg.user = std::move(user);
    return id;
  }
  Leg* find(LegId id) {
    const auto it = legs_.find(id);
    return it == legs_.end() ? nullptr : &it->second;
  }
  Leg* used(LegId id, const char* how) {
    Leg* const leg = find(id);
    if (leg == nullptr && !stopped_)
      a_.diary.wrong(std::string("SIP: ") + how + " of leg " + std::to_string(id) + ", which has ended");
    return leg;
  }
  void wrong(const char* what, const Leg& leg) {
    a_.diary.wrong("leg " + std::to_string(leg.id) + " " + what + " in state " +
                   std::to_string(static_cast<int>(leg.state)));
  }
  // Of one leg, in the order in which it was said.
  template <class What>
  void act(LegId id, Millis delay, What what) {
    a_.agenda.later(delay, [this, id, what, s_alive = alive_] {
      if (!*s_alive) return;
      if (Leg* const leg = find(id)) what(*leg);
    });
  }
  void end(LegId id, int status, std::string reason, bool by_peer) {
    a_.diary.note("leg ended", id, std::to_string(status) + " " + reason);
    legs_.erase(id);
    sink_(sip::Ended{id, status, std::move(reason), by_peer, {}});
  }
  void bye_from_us(Leg& leg) {
    leg.state = State::ending;
    act(leg.id, leg.silent ? Millis{32s} : a_.chance.between(0ms, 100ms),
        [this](Leg& l) { end(l.id, 0, "BYE", false); });
  }
  void press(Leg& leg, char key) {
    if (leg.state == State::ending || leg.silent || leg.stream == 0) return;
    a_.diary.note("press", leg.id, std::string(1, key));
    if (leg.state == State::up && a_.chance.in(10)) return sink_(sip::Digit{leg.id, key, 100ms});
    media_.press(leg.stream, key);
  }
  // The peer ends it: CANCEL or BYE, as it stands, or it drops out of the world.
  void leave(Leg& leg) {
    if (leg.state == State::ending) return;
    if (!calm && leg.state == State::up && a_.chance.in(6)) {
      leg.silent = true;
      a_.diary.note("vanishes", leg.id);
      act(leg.id, 300s, [this](Leg& l) {  // RFC 4028
        if (l.state == State::up) end(l.id, 0, "session timer expired", true);
      });
      return media_.fall_silent(leg.stream);
    }
    if (leg.state == State::early)
      end(leg.id, leg.outbound ? 480 : 487, "cancelled", true);
    else if (!leg.silent)
      end(leg.id, 0, "BYE", true);
  }
  // What somebody does who is there for so long.
  void behave(LegId id, Millis stay) {
    act(id, stay, [this](Leg& leg) { leave(leg); });
    act(id, stay + 150s, [this](Leg& leg) {  // whoever is there for ever is a thing of ours
      if (leg.state == State::up && !leg.silent) end(leg.id, 0, "BYE", true);
    });
    if (a_.chance.in(15)) {
      act(id, a_.chance.between(500ms, stay), [this](Leg& leg) { reoffer(leg); });
      act(id, a_.chance.between(500ms, stay), [this](Leg& leg) { reoffer(leg); });
    }
    if (a_.chance.in(20)) act(id, a_.chance.between(1s, 1s + stay), [this](Leg& leg) { refer_us(leg); });
  }
  void reoffer(Leg& leg) {
    if (leg.state != State::up || leg.silent || leg.reoffered) return;
    leg.reoffered = true;
    leg.held = !leg.held;
    a_.diary.note("re-INVITE", leg.id, leg.held ? "hold" : "back");
    const LegId id = leg.id;
    if (a_.chance.in(10)) {
      sink_(sip::Offered{id, std::nullopt, false});
      act(id, 40ms, [this](Leg& l) {
        if (l.state == State::up) sink_(sip::OfferAnswered{l.id, answer_of(l.held)});
      });
    } else {
      sink_(sip::Offered{id, answer_of(leg.held), false});
    }
    if (Leg* const still = find(id); still != nullptr && still->reoffered)
      wrong("has an offer that nobody answered", *still);
  }
  void refer_us(Leg& leg) {
    if (leg.state != State::up || leg.silent || leg.referral || calm) return;
    leg.referral = true;
    const LegId id = leg.id;
    sip::Referred referred;
    referred.leg = id;
    referred.target = "sip:other" + std::to_string(a_.chance.below(4)) + "@10.7.7.7";
    if (a_.chance.in(40)) {
      std::vector<LegId> up;
      for (const auto& [other, l] : legs_)
        if (l.state == State::up && other != id) up.push_back(other);
      if (!up.empty()) referred.replaces = a_.chance.of(up);
    } else if (a_.chance.in(20)) {
      referred.replaces_header = "abc@x;to-tag=1;from-tag=2";
    }
    a_.diary.note("REFER", id, referred.target + " in place of " + std::to_string(referred.replaces));
    sink_(referred);
    if (Leg* const still = find(id); still != nullptr && still->referral)
      wrong("has a REFER that nobody answered", *still);
  }
  // Somebody whom we call: takes it, or not, in one of the ways that telephones have.
  void be_called(LegId id) {
    const int how = calm ? 0 : a_.chance.below(100);
    const auto ring = [&](Millis after, bool sound) {
      act(id, after, [this, sound](Leg& l) {
        if (l.state != State::early) return;
        sink_(sip::Ringing{l.id, sound ? 183 : 180, sound ? std::optional(answer_of(false)) : std::nullopt,
                           sound && a_.chance.in(50) ? std::optional(EarlyMedia::sendrecv) : std::nullopt});
      });
    };
    const auto refuse = [&](Millis after, int status) {
      act(id, after, [this, status](Leg& l) {
        if (l.state == State::early) end(l.id, status, "refused", true);
      });
    };
    const Millis think = a_.chance.between(20ms, calm ? 1s : a_.chance.in(70) ? 3s : 20s);
    if (how < 92) ring(a_.chance.between(0ms, 300ms), how % 10 == 0);
    if (how >= 60 && how < 68) return refuse(think, 486);
    if (how >= 68 && how < 74) return refuse(think, 603);
    if (how >= 74 && how < 78) return refuse(a_.chance.between(0ms, 100ms), 404);
    if (how >= 78 && how < 88) return;  // rings for ever, or until we tell it to stop
    if (how >= 88) {                    // nobody there at all
      legs_.at(id).silent = true;
      return refuse(32s, 408);
    }
    act(id, think, [this, bad = how == 1](Leg& l) {
      if (l.state != State::early) return;
      l.state = State::up;
      a_.diary.note("answers", l.id, l.user);
      if (!bad && answered) answered(l.user);
      const LegId who = l.id;
      sink_(sip::Answered{who, bad ? "v=0" : answer_of(false)});
    });
    if (calm || a_.chance.in(85)) {
      act(id, think + a_.chance.between(100ms, 5s),
          [this](Leg& l) { press(l, calm || a_.chance.in(85) ? '1' : '5'); });
    }
    behave(id, think + (calm ? a_.chance.between(4s, 20s) : a_.chance.between(100ms, 40s)));
  }

  Around a_;
  Media& media_;
  Sink sink_;
  std::map<LegId, Leg> legs_;
  LegId next_;
  bool stopped_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

 public:
  void die() { *alive_ = false; }
};

// ------------------------------------------------------------------------------------ HTTP, prompts

class Servers final : public HttpPort {
 public:
  explicit Servers(Around around) : a_(around) {}

  void fetch(RequestId id, HttpRequest request, std::function<void(RequestId, HttpReply)> done) override {
    if (!open_.insert({id, true}).second) a_.diary.wrong("request " + std::to_string(id) + " is made twice");
    const int how = a_.chance.below(10);
    HttpReply reply{.status = how < 6   ? 200
                              : how < 8 ? 404
                                        : 500,
                    .body = R"({"balance": 12.5})",
                    .error = {}};
    if (how == 5) reply.body = "no JSON";
    if (how == 9) reply = {.status = 0, .body = {}, .error = "connection refused"};
    Millis delay = a_.chance.between(0ms, a_.chance.in(80) ? 1s : 8s);
    if (delay > request.timeout) {
      delay = request.timeout;
      reply = {.status = 0, .body = {}, .error = "timed out"};
    }
    a_.diary.note("fetch", id, request.url);
    a_.agenda.later(delay, [this, id, reply, done = std::move(done), s_alive = alive_] {
      if (*s_alive && open_.erase(id) != 0) done(id, reply);
    });
  }
  void cancel(RequestId id) override {
    if (a_.chance.in(70)) open_.erase(id);  // or its reply is on the way already
  }
  void die() { *alive_ = false; }
  std::size_t open() const { return open_.size(); }

 private:
  Around a_;
  std::map<RequestId, bool> open_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

class Voice final : public PromptSource {
 public:
  explicit Voice(Around around) : a_(around) {
    for (int tenths = 1; tenths <= 30; ++tenths) {
      auto clip = std::make_shared<Clip>();
      clip->samples = tenths * 800;
      clips_.push_back(std::move(clip));
    }
  }
  bool slow = false;

  std::optional<Clips> request(const Prompts& prompts, Codec, std::uint64_t ticket, PlayId play) override {
    if (prompts.empty()) a_.diary.wrong("clips of no prompts are asked for");
    Clips clips = std::vector<ClipPtr>{a_.chance.of(clips_)};
    if (a_.chance.in(3)) clips = absl::UnavailableError("the voice is hoarse");
    if (!slow && a_.chance.in(60)) return clips;
    a_.agenda.later(a_.chance.between(0ms, slow ? 4s : 600ms),
                    [this, ticket, play, clips = std::move(clips), s_alive = alive_] {
                      if (*s_alive) ready_.push_back({ticket, play, clips});
                    });
    return std::nullopt;
  }
  void preload(const Prompts&, Codec) override {}
  bool next_ready(Ready& ready) override {
    if (ready_.empty()) return false;
    ready = std::move(ready_.front());
    ready_.pop_front();
    return true;
  }
  void die() { *alive_ = false; }

 private:
  Around a_;
  std::vector<ClipPtr> clips_;
  std::deque<Ready> ready_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ivr::schedule
