#include "ivr/telephone_event.hpp"
#include "core/time_at.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace ivr {
namespace {

using Kind = TelephoneEvent::Kind;

struct Packet {
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;
  int event = 0;
  int duration = 0;
  bool end = false;
  bool marker = false;
  std::uint32_t ssrc = 1;
};

std::vector<std::uint8_t> event_bytes(int event, bool end, int duration, int volume = 10) {
  return {static_cast<std::uint8_t>(event), static_cast<std::uint8_t>((end ? 0x80 : 0) | volume),
          static_cast<std::uint8_t>(duration >> 8), static_cast<std::uint8_t>(duration)};
}

// Everything reported, as "5(" for a key that began and ")100" for its end.
class KeyPhone {
 public:
  explicit KeyPhone(const TelephoneEventOptions& options = {})
      : receiver(*TelephoneEventReceiver::create(options)) {}

  void push(const Packet& p, Time now) {
    const auto bytes = event_bytes(p.event, p.end, p.duration);
    push_bytes(p, bytes, now);
  }
  void push_bytes(const Packet& p, std::span<const std::uint8_t> bytes, Time now) {
    take(receiver.push({.header = {.payload_type = 101,
                                   .marker = p.marker,
                                   .sequence = p.sequence,
                                   .timestamp = p.timestamp,
                                   .ssrc = p.ssrc},
                        .payload = bytes},
                       now));
  }
  void tick(Time now) { take(receiver.tick(now)); }
  void take(std::span<const TelephoneEvent> events) {
    for (const TelephoneEvent& event : events) {
      heard += event.kind == Kind::began
                   ? std::string(1, event.digit) + "("
                   : ")" + std::to_string(event.duration.count()) + (event.timed_out ? "?" : "");
      all.push_back(event);
    }
  }

  TelephoneEventReceiver receiver;
  std::string heard;
  std::vector<TelephoneEvent> all;
};

// One press as a well-behaved sender sends it: an update each 20 ms, the end three times.
std::vector<Packet> press(int event, std::uint16_t sequence, std::uint32_t timestamp, int updates) {
  std::vector<Packet> packets;
  for (int i = 1; i <= updates + 2; ++i) {
    packets.push_back({.sequence = sequence++,
                       .timestamp = timestamp,
                       .event = event,
                       .duration = std::min(i, updates) * 160,
                       .end = i >= updates,
                       .marker = i == 1});
  }
  return packets;
}

TEST(TelephoneEventReceiver, TellsAKeyWhenItGoesDownAndWhenItIsUp) {
  KeyPhone phone;
  const auto packets = press(5, 100, 8000, 5);
  phone.push(packets[0], at_ms(0));
  EXPECT_EQ(phone.heard, "5(");
  EXPECT_TRUE(phone.receiver.key_down());
  for (std::size_t i = 1; i < packets.size(); ++i)
    phone.push(packets[i], at_ms(static_cast<std::int64_t>(20 * i)));
  EXPECT_EQ(phone.heard, "5()100");
  EXPECT_EQ(phone.all[0].key, 8000u);
  EXPECT_EQ(phone.all[1].key, 8000u);
  EXPECT_EQ(phone.all[0].level_dbm0, -10);
  EXPECT_FALSE(phone.receiver.deadline());
}

// As baresip does: audio goes on between the packets of a key, and the first end says what the last update
// said.
TEST(TelephoneEventReceiver, AKeyBetweenWhosePacketsAudioGoesOnIsOnePress) {
  KeyPhone phone;
  std::uint16_t sequence = 16500;
  std::int64_t ms = 0;
  for (int key = 0; key < 4; ++key) {
    const auto timestamp = static_cast<std::uint32_t>(18697 + 1920 * key);
    for (int i = 1; i <= 12; ++i, sequence += 2, ms += 20) {
      phone.push({sequence, timestamp, 1, std::min(i, 9) * 160, i > 9, i == 1}, at_ms(ms));
    }
  }
  EXPECT_EQ(phone.heard,
            "1()180"
            "1()180"
            "1()180"
            "1()180");
}

TEST(TelephoneEventReceiver, AnyOnePacketOfAKeyIsEnough) {
  const auto packets = press(11, 65533, 0xFFFFFF00u, 5);  // wraps in both counts
  for (std::size_t only = 0; only < packets.size(); ++only) {
    KeyPhone phone;
    phone.push(packets[only], at_ms(0));
    if (auto due = phone.receiver.deadline()) phone.tick(*due);
    ASSERT_EQ(phone.all.size(), 2u) << only;
    EXPECT_EQ(phone.all[0].digit, '#');
    EXPECT_EQ(phone.all[1].timed_out, only < 4);
  }
}

TEST(TelephoneEventReceiver, EveryOrderOfAKeysPacketsIsOnePress) {
  auto packets = press(7, 65534, 1000, 2);
  std::sort(packets.begin(), packets.end(), [](auto& a, auto& b) { return a.duration < b.duration; });
  std::vector<int> order = {0, 1, 2, 3};
  do {
    KeyPhone phone;
    for (int round = 0; round < 2; ++round) {  // and every packet twice
      for (int i : order) phone.push(packets[static_cast<std::size_t>(i)], at_ms(5));
    }
    phone.tick(at_ms(10'000));
    EXPECT_EQ(std::count(phone.heard.begin(), phone.heard.end(), '('), 1) << phone.heard;
    EXPECT_EQ(std::count(phone.heard.begin(), phone.heard.end(), ')'), 1) << phone.heard;
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(TelephoneEventReceiver, Rfc4733_2_5_1_4_EndsByTimeOutWhenAllEndsAreLost) {
  KeyPhone phone;
  for (const Packet& p : press(1, 10, 0, 5)) {
    if (!p.end) phone.push(p, at_ms(p.sequence * 20));
  }
  ASSERT_TRUE(phone.receiver.deadline());
  EXPECT_EQ(*phone.receiver.deadline(), at_ms(13 * 20 + 300));
  phone.tick(*phone.receiver.deadline() - 1us);
  EXPECT_EQ(phone.heard, "1(");
  phone.tick(*phone.receiver.deadline());
  EXPECT_EQ(phone.heard, "1()80?");
  for (const Packet& p : press(1, 10, 0, 5)) phone.push(p, at_ms(700));  // a late burst of all of it
  EXPECT_EQ(phone.heard, "1()80?");
  EXPECT_EQ(phone.receiver.stats().timed_out, 1u);
}

TEST(TelephoneEventReceiver, AHeldKeyThatWasThoughtUpIsNotPressedAgain) {
  KeyPhone phone;
  for (const Packet& p : press(3, 0, 0, 400)) {
    if (p.sequence > 20 && p.sequence < 60) continue;  // 0.8 s of nothing
    if (auto due = phone.receiver.deadline(); due && *due <= at_ms(p.sequence * 20)) phone.tick(*due);
    phone.push(p, at_ms(p.sequence * 20));
  }
  EXPECT_EQ(phone.heard, "3()420?");
}

TEST(TelephoneEventReceiver, TheNextKeyEndsOneWhoseEndsAreLost) {
  KeyPhone phone;
  phone.push(press(1, 10, 0, 5)[0], at_ms(0));
  phone.push(press(1, 30, 3200, 5)[0], at_ms(400 - 150));
  EXPECT_EQ(phone.heard, "1()20?1(");
}

TEST(TelephoneEventReceiver, LatePacketsOfAnOldKeyAreNotANewOne) {
  KeyPhone phone;
  const auto first = press(1, 10, 0, 3), second = press(2, 20, 1600, 3);
  phone.push(first[0], at_ms(0));
  phone.push(second[0], at_ms(200));
  phone.push(first[1], at_ms(201));
  phone.push(first[2], at_ms(202));
  phone.push(second[1], at_ms(220));
  phone.push(second[2], at_ms(240));
  phone.push(first[4], at_ms(250));
  EXPECT_EQ(phone.heard, "1()20?2()60");
}

TEST(TelephoneEventReceiver, AKeyFirstHeardAfterALaterOneIsStillTold) {
  KeyPhone phone;
  phone.push(press(2, 20, 1600, 3)[0], at_ms(200));
  phone.push(press(1, 10, 0, 3)[1], at_ms(201));
  phone.push(press(2, 20, 1600, 3)[2], at_ms(240));
  EXPECT_EQ(phone.heard, "2(1()40?)60");
  EXPECT_EQ(phone.receiver.stats().late_keys, 1u);
}

TEST(TelephoneEventReceiver, ATimestampUsedAgainIsANewPress) {
  KeyPhone phone;
  for (const Packet& p : press(9, 10, 4000, 5)) phone.push(p, at_ms(p.sequence * 20));
  for (const Packet& p : press(9, 22, 4000, 5)) phone.push(p, at_ms(p.sequence * 20));  // the same key
  for (const Packet& p : press(8, 34, 4000, 5)) phone.push(p, at_ms(p.sequence * 20));  // another
  EXPECT_EQ(phone.heard, "9()1009()1008()100");
}

TEST(TelephoneEventReceiver, EndsStampedAnewBelongToTheirKey) {
  for (int updates : {2, 5, 30}) {
    for (bool beginnings_lost : {false, true}) {
      KeyPhone phone;
      for (Packet p : press(4, 10, 4000, updates)) {
        if (p.end)
          p.timestamp =
              4000 + static_cast<std::uint32_t>(160 * (p.sequence - 10));  // "now", each of the three
        if (beginnings_lost && !p.end) continue;
        phone.push(p, at_ms(p.sequence * 20));
      }
      EXPECT_EQ(phone.heard, "4()" + std::to_string(20 * updates));
    }
  }
}

TEST(TelephoneEventReceiver, Rfc4733_2_5_1_3_SegmentsOfALongKeyAreOnePress) {
  auto sender = *TelephoneEventSender::create();
  ASSERT_TRUE(sender.send("5", 20s, 100ms).ok());
  for (int lost_every : {0, 3, 2}) {
    ASSERT_TRUE(lost_every == 0 || sender.send("5", 20s, 100ms).ok());
    KeyPhone phone;
    int segments = 0;
    std::uint32_t timestamp = 77, last = 0;
    for (int i = 0; !sender.done(); ++i, timestamp += 160) {
      const auto payload = sender.next(timestamp);
      if (!payload) continue;
      segments += payload->timestamp != last;
      last = payload->timestamp;
      if (lost_every != 0 && i % lost_every == 0) continue;
      phone.push_bytes({.sequence = static_cast<std::uint16_t>(i), .timestamp = payload->timestamp},
                       payload->bytes, at_ms(i * 20));
    }
    EXPECT_EQ(segments, 3);
    EXPECT_EQ(phone.heard, "5()20000");
  }
}

TEST(TelephoneEventReceiver, Rfc4733_2_5_1_5_SeveralEventsInOnePacket) {
  KeyPhone phone;
  auto bytes = event_bytes(1, true, 400);
  for (auto more : {event_bytes(1, true, 800), event_bytes(2, false, 160)}) {
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  phone.push_bytes({.sequence = 1, .timestamp = 1000, .marker = true}, bytes, at_ms(0));
  EXPECT_EQ(phone.heard, "1()501()1002(");
  EXPECT_EQ(phone.all.back().key, 2200u);
  phone.push_bytes({.sequence = 1, .timestamp = 1000, .marker = true}, bytes, at_ms(1));
  phone.push({.sequence = 2, .timestamp = 2200, .event = 2, .duration = 480, .end = true}, at_ms(40));
  EXPECT_EQ(phone.heard, "1()501()1002()60");
}

TEST(TelephoneEventReceiver, OtherEventsAndTornPayloadsAreCountedOnly) {
  KeyPhone phone;
  phone.push({.sequence = 1, .event = 16, .duration = 80, .end = true}, at_ms(0));  // flash
  phone.push({.sequence = 2, .event = 255}, at_ms(0));
  const std::uint8_t torn[] = {5, 10, 0};
  phone.push_bytes({.sequence = 3}, torn, at_ms(0));
  phone.push_bytes({.sequence = 4}, {}, at_ms(0));
  EXPECT_EQ(phone.heard, "");
  EXPECT_EQ(phone.receiver.stats().other_events, 2u);
  EXPECT_EQ(phone.receiver.stats().malformed, 2u);
}

TEST(TelephoneEventReceiver, ADurationOfZeroIsAPressToo) {
  KeyPhone phone;
  phone.push({.sequence = 1, .event = 0, .duration = 0, .marker = true}, at_ms(0));
  phone.push({.sequence = 2, .event = 0, .duration = 0}, at_ms(20));
  phone.push({.sequence = 3, .event = 0, .duration = 0, .end = true}, at_ms(40));
  EXPECT_EQ(phone.heard, "0()0");
}

TEST(TelephoneEventReceiver, AStartSentThreeTimesIsOnePress) {  // as RFC 2833 senders do
  KeyPhone phone;
  std::uint16_t sequence = 5;
  for (int duration : {0, 0, 0, 160, 320, 480}) {
    phone.push(
        {.sequence = sequence++, .timestamp = 9, .event = 6, .duration = duration, .marker = duration == 0},
        at_ms(sequence * 20));
  }
  for (int i = 0; i < 3; ++i) {
    phone.push({.sequence = sequence++, .timestamp = 9, .event = 6, .duration = 640, .end = true},
               at_ms(sequence * 20));
  }
  EXPECT_EQ(phone.heard, "6()80");
}

TEST(TelephoneEventReceiver, AnotherSourceWithTheSameTimestampIsAnotherPress) {
  KeyPhone phone;
  phone.push({.sequence = 1, .timestamp = 5, .event = 1, .duration = 160, .ssrc = 1}, at_ms(0));
  phone.push({.sequence = 1, .timestamp = 5, .event = 1, .duration = 160, .ssrc = 2}, at_ms(20));
  EXPECT_EQ(phone.heard, "1()20?1(");
}

TEST(TelephoneEventReceiver, RefusesOptionsThatMakeNoSense) {
  EXPECT_FALSE(TelephoneEventReceiver::create({.timeout = 0ms}).ok());
  EXPECT_FALSE(TelephoneEventReceiver::create({.clock_rate_hz = 0}).ok());
  EXPECT_FALSE(TelephoneEventSender::create({.tone = 10ms}).ok());
  EXPECT_FALSE(TelephoneEventSender::create({.level_dbm0 = 3}).ok());
}

// -------------------------------------------------------------------------- many keys, bad weather

struct Weather {
  double loss = 0.10, duplicated = 0.05, reordered = 0.10, marker_lost = 0.10;
  double timestamp_again = 0.05, end_restamped = 0.10, same_digit = 0.4;
  int audio = 0;  // packets of it beside each of a press
};
struct KeyVerdict {
  std::int64_t keys = 0, survived = 0, missed = 0, doubled = 0, invented = 0, unended = 0, stuck = 0;
};

// Presses keys of every kind at one receiver through a network that loses, doubles and reorders; each report
// is held against the press whose packet caused it.
KeyVerdict press_many(std::int64_t keys, unsigned seed, const Weather& weather) {
  std::mt19937_64 random(seed);
  const auto chance = [&](double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; };
  const auto between = [&](int low, int high) { return std::uniform_int_distribution<>(low, high)(random); };

  struct Arrival {
    double at;
    std::int64_t key;
    Packet packet;
  };
  struct Press {
    int began = 0, ended = 0;
    bool survived = false;
  };
  KeyVerdict verdict;
  std::vector<Press> presses(static_cast<std::size_t>(keys));
  std::vector<Arrival> air;  // sent, not yet there
  auto receiver = *TelephoneEventReceiver::create();
  std::int64_t open_key = -1;

  double now = 0;  // of the sender, in ms
  std::uint16_t sequence = static_cast<std::uint16_t>(random());
  std::uint32_t base = static_cast<std::uint32_t>(random()), last_timestamp = 0;
  int last_event = 0;

  const auto take = [&](std::span<const TelephoneEvent> events, std::int64_t cause) {
    for (const TelephoneEvent& event : events) {
      if (event.kind == Kind::began) {
        if (cause < 0)
          ++verdict.invented;
        else
          ++presses[static_cast<std::size_t>(cause)].began;
        open_key = cause;
      }
    }
  };
  std::uint64_t begins = 0, ends = 0;
  const auto deliver = [&](double until) {
    std::sort(air.begin(), air.end(), [](const Arrival& a, const Arrival& b) { return a.at < b.at; });
    std::size_t done = 0;
    for (; done < air.size() && air[done].at <= until; ++done) {
      const Arrival& a = air[done];
      const Time when = Time(Micros(static_cast<std::int64_t>(a.at * 1000)));
      if (const auto due = receiver.deadline(); due && *due <= when) {
        for (const auto& e : receiver.tick(*due)) ends += e.kind == Kind::ended;
      }
      const auto bytes = event_bytes(a.packet.event, a.packet.end, a.packet.duration);
      const auto events = receiver.push({.header = {.payload_type = 101,
                                                    .marker = a.packet.marker,
                                                    .sequence = a.packet.sequence,
                                                    .timestamp = a.packet.timestamp,
                                                    .ssrc = a.packet.ssrc},
                                         .payload = bytes},
                                        when);
      for (const auto& e : events) (e.kind == Kind::began ? begins : ends) += 1;
      take(events, a.key);
      presses[static_cast<std::size_t>(a.key)].survived = true;
    }
    air.erase(air.begin(), air.begin() + static_cast<std::ptrdiff_t>(done));
  };

  for (std::int64_t k = 0; k < keys; ++k) {
    const int event = chance(weather.same_digit) ? last_event : between(0, 15);
    const int updates = chance(0.003) ? between(405, 900) : chance(0.5) ? between(2, 5) : between(2, 30);
    const bool again = k > 0 && updates < 405 && chance(weather.timestamp_again);
    const bool restamp = updates < 400 && chance(weather.end_restamped);
    const int gap = between(2, 12);  // packets, of which the end sent anew takes two
    std::uint32_t timestamp = again ? last_timestamp : base + static_cast<std::uint32_t>(now * 8);
    const std::uint32_t key_timestamp = timestamp;
    last_timestamp = timestamp;
    last_event = event;
    int before_segment = 0;
    for (int i = 1; i <= updates + 2; ++i, now += 20) {
      const int total = std::min(i, updates) * 160;
      int duration = total - before_segment;
      if (duration > 0xFFFF) {
        before_segment += 0xFFFF;
        timestamp += 0xFFFF;
        duration -= 0xFFFF;
      }
      const bool end = i >= updates;
      Packet packet{
          .sequence = static_cast<std::uint16_t>(sequence += 1 + weather.audio),
          .timestamp = end && restamp ? key_timestamp + static_cast<std::uint32_t>(160 * (i - 1)) : timestamp,
          .event = event,
          .duration = duration,
          .end = end,
          .marker = i == 1 && !chance(weather.marker_lost)};
      if (chance(weather.loss)) continue;
      const double late = chance(weather.reordered) ? between(1, 120) : between(0, 10);
      air.push_back({now + 30 + late, k, packet});
      if (chance(weather.duplicated)) air.push_back({now + 30 + late + between(0, 100), k, packet});
    }
    sequence = static_cast<std::uint16_t>(sequence + gap - 2);  // audio in between
    now += 20 * (gap - 2);
    deliver(now - 200);
  }
  deliver(now + 1e6);
  if (const auto due = receiver.deadline()) {
    for (const auto& e : receiver.tick(*due)) ends += e.kind == Kind::ended;
  }
  verdict.stuck = receiver.key_down() ? 1 : 0;
  verdict.keys = keys;
  verdict.unended = static_cast<std::int64_t>(begins) - static_cast<std::int64_t>(ends);
  for (const Press& p : presses) {
    verdict.survived += p.survived;
    verdict.missed += p.survived && p.began == 0;
    verdict.doubled += p.began > 1;
    verdict.invented += !p.survived && p.began > 0;
  }
  return verdict;
}

// IVR_DTMF_KEYS=1000000 IVR_DTMF_SEED=n for the long one.
TEST(TelephoneEventReceiver, EveryKeyOfWhichAPacketSurvivesIsToldExactlyOnce) {
  const char* keys_text = std::getenv("IVR_DTMF_KEYS");
  const char* seed_text = std::getenv("IVR_DTMF_SEED");
  const std::int64_t keys = keys_text != nullptr ? std::atoll(keys_text) : 20'000;
  const unsigned seed = seed_text != nullptr ? static_cast<unsigned>(std::atoi(seed_text)) : 4733;
  struct Case {
    const char* name;
    Weather weather;
  } const cases[] = {
      {"all at once", {}},
      {"clean",
       {.loss = 0,
        .duplicated = 0,
        .reordered = 0,
        .marker_lost = 0,
        .timestamp_again = 0,
        .end_restamped = 0}},
      {"ten keys in a row the same", {.same_digit = 0.9}},
      {"half restamped", {.timestamp_again = 0, .end_restamped = 0.5}},
      {"half used again", {.timestamp_again = 0.5, .end_restamped = 0}},
      {"thirty percent lost, honest sender", {.loss = 0.3, .timestamp_again = 0, .end_restamped = 0}},
      {"audio goes on, clean",
       {.loss = 0,
        .duplicated = 0,
        .reordered = 0,
        .marker_lost = 0,
        .timestamp_again = 0,
        .end_restamped = 0,
        .audio = 1}},
      {"audio goes on, honest sender", {.timestamp_again = 0, .end_restamped = 0, .audio = 1}},
      {"audio goes on twice as often", {.timestamp_again = 0, .end_restamped = 0, .audio = 2}},
  };
  for (const Case& c : cases) {
    const KeyVerdict v = press_many(keys, seed, c.weather);
    std::printf(
        "%-36s %lld keys, %lld survived: %lld missed, %lld doubled, %lld invented, %lld not ended (seed "
        "%u)\n",
        c.name, static_cast<long long>(v.keys), static_cast<long long>(v.survived),
        static_cast<long long>(v.missed), static_cast<long long>(v.doubled),
        static_cast<long long>(v.invented), static_cast<long long>(v.unended), seed);
    EXPECT_EQ(v.missed, 0) << c.name;
    // Until a press has shown how audio shares its numbers, lost packets can hide that.
    EXPECT_LE(v.doubled, c.weather.audio > 0 && c.weather.loss > 0 ? 2 : 0) << c.name;
    EXPECT_EQ(v.invented, 0) << c.name;
    EXPECT_EQ(v.unended, 0) << c.name;
    EXPECT_EQ(v.stuck, 0) << c.name;
  }
}

// ------------------------------------------------------------------------------------------ sender

struct Sent {
  int tick;
  TelephoneEventSender::Payload payload;
  int event() const { return payload.bytes[0]; }
  bool end() const { return (payload.bytes[1] & 0x80) != 0; }
  int duration() const { return payload.bytes[2] << 8 | payload.bytes[3]; }
};

std::vector<Sent> send_all(TelephoneEventSender& sender, int& ticks) {
  std::vector<Sent> sent;
  for (ticks = 0; !sender.done() && ticks < 100'000; ++ticks) {
    if (auto payload = sender.next(static_cast<std::uint32_t>(1000 + 160 * ticks)))
      sent.push_back({ticks, *payload});
  }
  return sent;
}

TEST(TelephoneEventSender, Rfc4733_2_5_1_SendsAKeyToTheLetter) {
  auto sender = *TelephoneEventSender::create({.tone = 100ms, .gap = 100ms, .level_dbm0 = -7});
  EXPECT_TRUE(sender.done());
  EXPECT_FALSE(sender.next(0));
  ASSERT_TRUE(sender.send("#").ok());
  EXPECT_FALSE(sender.done());
  int ticks = 0;
  const auto sent = send_all(sender, ticks);
  ASSERT_EQ(sent.size(), 7u);
  EXPECT_EQ(ticks, 10);  // 100 ms of tone and 100 ms of gap
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const Sent& s = sent[i];
    EXPECT_EQ(s.tick, static_cast<int>(i));
    EXPECT_EQ(s.event(), 11);
    EXPECT_EQ(s.payload.bytes[1] & 0x7F, 7);
    EXPECT_EQ(s.payload.timestamp, 1000u);
    EXPECT_EQ(s.payload.marker, i == 0);
    EXPECT_EQ(s.duration(), 160 * std::min<int>(static_cast<int>(i) + 1, 5));
    EXPECT_EQ(s.end(), i >= 4);
  }
}

TEST(TelephoneEventSender, KeysAreApartAndPausesAreKept) {
  auto sender = *TelephoneEventSender::create({.tone = 40ms, .gap = 40ms});
  ASSERT_TRUE(sender.send("1w2Wd").ok());
  int ticks = 0;
  const auto sent = send_all(sender, ticks);
  std::vector<std::pair<int, int>> starts;
  for (const Sent& s : sent) {
    if (s.payload.marker) starts.emplace_back(s.tick, s.event());
  }
  const std::vector<std::pair<int, int>> expected = {{0, 1}, {4 + 25, 2}, {4 + 25 + 4 + 50, 15}};
  EXPECT_EQ(starts, expected);
  EXPECT_EQ(ticks, 4 + 25 + 4 + 50 + 4);
}

TEST(TelephoneEventSender, WhatItSendsTheReceiverTells) {
  auto sender = *TelephoneEventSender::create();
  const std::string digits = "00112233445566778899**##AABBCCDD";
  ASSERT_TRUE(sender.send(digits, 60ms, 40ms).ok());
  KeyPhone phone;
  std::uint16_t sequence = 65500;
  std::uint32_t timestamp = 0xFFFFF000u;
  for (int i = 0; !sender.done() && i < 10'000; ++i, timestamp += 160, ++sequence) {
    if (const auto p = sender.next(timestamp)) {
      phone.push_bytes({.sequence = sequence, .timestamp = p->timestamp, .marker = p->marker}, p->bytes,
                       at_ms(20 * i));
    }
  }
  std::string told;
  for (const auto& e : phone.all) {
    if (e.kind == Kind::began) told += e.digit;
    EXPECT_EQ(e.duration, e.kind == Kind::ended ? 60ms : 0ms);
  }
  EXPECT_EQ(told, digits);
}

TEST(TelephoneEventSender, ClearEndsTheKeyThatIsDown) {
  auto sender = *TelephoneEventSender::create({.tone = 1000ms});
  ASSERT_TRUE(sender.send("123").ok());
  sender.next(0);
  sender.next(160);
  sender.clear();
  int ticks = 0;
  const auto sent = send_all(sender, ticks);
  ASSERT_EQ(sent.size(), 3u);
  for (const Sent& s : sent) EXPECT_TRUE(s.end() && s.duration() == 480 && s.event() == 1);
  EXPECT_TRUE(sender.done());
}

TEST(TelephoneEventSender, RefusesWhatIsNoKey) {
  auto sender = *TelephoneEventSender::create();
  const auto status = sender.send("12E4");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.ToString().find("character 3 of 4"), std::string::npos);
  EXPECT_TRUE(sender.done());
  EXPECT_FALSE(sender.send("1", 20ms, 100ms).ok());
  EXPECT_FALSE(sender.send("1", 100ms, 0ms).ok());
  EXPECT_EQ(sender.send(std::string(2000, '1')).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace ivr
