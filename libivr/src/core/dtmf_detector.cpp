#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <string>

#include "absl/status/status.h"
#include "core/level.hpp"
#include "ivr/dtmf.hpp"

namespace ivr {
namespace {

constexpr double kFrequencies[] = {697, 770, 852, 941, 1209, 1336, 1477, 1633};  // Q.23
constexpr double kMaxOffset = 0.024;  // of a frequency: taken to 1.8 %, refused from 3.0 % (ES 201 235-3)

// Two tones that explain `share` of the sound for `hops` hops are a key: a clean one early, a doubtful one
// later. The first row also refuses what is shorter than 24 ms, because a window that is not full explains
// less.
struct Evidence {
  int hops;
  float share;
};
constexpr Evidence kEvidence[] = {{6, 0.89f}, {7, 0.82f}, {9, 0.68f}, {11, 0.62f}, {14, 0.53f}};

// Speech now and then makes two such tones too, but they are seldom at the nominal frequencies, as strong as
// each other, straight in phase and level in amplitude. Each of these has its price; who is odd enough has to
// be clean.
constexpr float kClean = 0.97f;
constexpr float kOddOff = 1.0f;     // for a tone at the limit of its frequency
constexpr float kOddTwist = 0.2f;   // for a neper squared
constexpr float kOddBend = 0.8f;    // for a radian squared
constexpr float kOddRipple = 1.0f;  // for a tone gone in one third
constexpr int kOddHops = 7;         // and has to hold so long

// A lost packet for which the one before was played again makes the phase jump at both its edges, and no
// window is whole. kPackets in a row, each of them a key by itself, are one nevertheless.
constexpr int kPacketHops = 4;  // 20 ms
constexpr float kPacketShare = 0.85f;

constexpr int kGlance = 4;            // hops of the first look...
constexpr float kGlanceShare = 0.2f;  // ...and what the best two tones make there, 1.8 % off and doubtful
constexpr int kMaxHole = 8;           // hops missing from a window: two packets
constexpr int kLostHops = 40;         // what a hole may hide of a key that sounds
constexpr float kNotReceived = -1;    // for an energy
constexpr int kSettle = 8;            // a window for the levels
constexpr float kPresent = 0.35f;     // of a tone's amplitude: still there
constexpr float kFull = 0.7f;         // of a hop: the tone fills it
constexpr int kAwayHops = 5;          // so long a pause ends a key: 20 ms are bridged, 30 ms split (Q.24)

constexpr std::int64_t kAgain = 60 * kSampleRateHz / 1000;  // the same key sooner than this after its end...
constexpr int kAgainHops = 8;  // ...has to hold so long: packets may have been lost
constexpr std::int64_t kEcho = 150 * kSampleRateHz / 1000;  // the same key so soon and...
constexpr float kEchoLevel = 0.6f;                          // ...so much weaker is its echo

// How much of the sound two tones have to explain: who is odd loses the leave to be doubtful.
float share_wanted(float share, float odd) {
  return share + std::max(0.0f, kClean - share) * std::min(1.0f, odd);
}

float dbm0(float amplitude) {  // a full-scale sine is +3.14 dBm0 (G.711)
  return 20.0f * std::log10(std::max(amplitude, 1e-3f) / 32768.0f) + 3.14f;
}

struct Complex {
  float re = 0, im = 0;
  Complex conjugate() const noexcept { return {re, -im}; }
  float length() const noexcept { return std::sqrt(re * re + im * im); }
  friend Complex operator+(Complex a, Complex b) noexcept { return {a.re + b.re, a.im + b.im}; }
  friend Complex operator*(Complex a, Complex b) noexcept {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  }
};

}  // namespace

// Four tones side by side; the compiler has registers for that on every machine we build for.
using Four = float __attribute__((vector_size(16)));

// The tones are whole numbers of hertz and a hop is 1/200 s, so after 200 hops every tone is where it began.
struct DtmfDetector::Bank {
  static constexpr int kPeriod = kSampleRateHz / kHop;
  // Cosines and sines about the middle of a hop: even and odd, so one half of each is enough.
  struct Row {
    Four even[2], odd[2];
  };
  struct Turn {
    Four re[2], im[2];
  };
  Row row[kHop / 2];
  Turn turn[kPeriod];
  float limit[kTones];  // radians a hop at kMaxOffset

  Bank() {
    for (int t = 0; t < kTones; ++t) {
      const double w = 2 * std::numbers::pi * kFrequencies[t] / kSampleRateHz;
      limit[t] = static_cast<float>(kMaxOffset * w * kHop);
      for (int i = 0; i < kHop / 2; ++i) {
        row[i].even[t / 4][t % 4] = static_cast<float>(std::cos(w * (i + 0.5)));
        row[i].odd[t / 4][t % 4] = static_cast<float>(-std::sin(w * (i + 0.5)));
      }
      for (int p = 0; p < kPeriod; ++p) {
        turn[p].re[t / 4][t % 4] = static_cast<float>(std::cos(w * kHop * p));
        turn[p].im[t / 4][t % 4] = static_cast<float>(-std::sin(w * kHop * p));
      }
    }
  }

  // Sum of x[n] exp(-jwn) for the eight tones over one hop, against the common clock.
  void project(const std::int16_t* x, int phase, Slot& slot) const noexcept {
    float sum[kHop / 2], difference[kHop / 2];
    for (int i = 0; i < kHop / 2; ++i) {
      const int ahead = x[kHop / 2 + i], behind = x[kHop / 2 - 1 - i];
      sum[i] = static_cast<float>(ahead + behind);
      difference[i] = static_cast<float>(ahead - behind);
    }
    Four c0{}, c1{}, s0{}, s1{};
    for (int i = 0; i < kHop / 2; ++i) {
      c0 += sum[i] * row[i].even[0];
      c1 += sum[i] * row[i].even[1];
      s0 += difference[i] * row[i].odd[0];
      s1 += difference[i] * row[i].odd[1];
    }
    const Turn& t = turn[phase];
    const Four re[] = {c0 * t.re[0] - s0 * t.im[0], c1 * t.re[1] - s1 * t.im[1]};
    const Four im[] = {c0 * t.im[0] + s0 * t.re[0], c1 * t.im[1] + s1 * t.re[1]};
    std::memcpy(slot.re.data(), re, sizeof re);
    std::memcpy(slot.im.data(), im, sizeof im);
  }

  static float energy(const std::int16_t* x) noexcept {
    Four sum{};
    for (int i = 0; i < kHop; i += 4) {
      const Four v = {static_cast<float>(x[i]), static_cast<float>(x[i + 1]), static_cast<float>(x[i + 2]),
                      static_cast<float>(x[i + 3])};
      sum += v * v;
    }
    return sum[0] + sum[1] + sum[2] + sum[3];
  }
};

absl::StatusOr<DtmfDetector> DtmfDetector::create(const DtmfOptions& options) {
  const auto refuse = [](const char* name, double value, const char* limits) {
    return absl::InvalidArgumentError("DtmfOptions::" + std::string(name) + " is " + std::to_string(value) +
                                      "; it must be " + limits);
  };
  if (!(options.floor_dbm0 >= -60 && options.floor_dbm0 <= -25))
    return refuse("floor_dbm0", options.floor_dbm0, "-60 to -25");
  if (!(options.max_low_over_high_db >= 0 && options.max_low_over_high_db <= 20))
    return refuse("max_low_over_high_db", options.max_low_over_high_db, "0 to 20");
  if (!(options.max_high_over_low_db >= 0 && options.max_high_over_low_db <= 20))
    return refuse("max_high_over_low_db", options.max_high_over_low_db, "0 to 20");
  static const Bank bank;
  return DtmfDetector(options, bank);
}

DtmfDetector::DtmfDetector(const DtmfOptions& options, const Bank& bank)
    : bank_(&bank),
      floor_(static_cast<float>(amplitude_of(options.floor_dbm0))),
      low_over_high_(static_cast<float>(std::pow(10.0, options.max_low_over_high_db / 20))),
      high_over_low_(static_cast<float>(std::pow(10.0, options.max_high_over_low_db / 20))) {
  quiet_energy_ = 0.25f * floor_ * floor_ * kHop / 2;
}

void DtmfDetector::process(std::span<const std::int16_t> pcm, DtmfEvents& out) noexcept {
  while (!pcm.empty()) {
    const auto n = std::min<std::size_t>(pcm.size(), static_cast<std::size_t>(kHop - staged_count_));
    std::copy_n(pcm.begin(), n, staged_.begin() + staged_count_);
    staged_count_ += static_cast<int>(n);
    pcm = pcm.subspan(n);
    if (staged_count_ == kHop) hop(out);
  }
}

void DtmfDetector::lost(int samples, DtmfEvents& out) noexcept {
  while (samples > 0) {
    const int n = std::min(samples, kHop - staged_count_);
    std::fill_n(staged_.begin() + staged_count_, n, std::int16_t{0});
    staged_count_ += n;
    staged_lost_ += n;
    samples -= n;
    if (staged_count_ == kHop) hop(out);
  }
}

void DtmfDetector::finish(DtmfEvents& out) noexcept {
  if (digit_) end(heard_until_, out);
  since_ = 0;
}

void DtmfDetector::hop(DtmfEvents& out) noexcept {
  newest_ = (newest_ + 1) % kSlots;
  Slot& slot = ring_[static_cast<std::size_t>(newest_)];
  slot.energy = staged_lost_ == 0 ? Bank::energy(staged_.data()) : kNotReceived;
  if (slot.energy > quiet_energy_) {
    bank_->project(staged_.data(), phase_, slot);
  } else {
    slot.re.fill(0);
    slot.im.fill(0);
  }
  staged_count_ = staged_lost_ = 0;
  if (++phase_ == Bank::kPeriod) phase_ = 0;
  at_ += kHop;
  since_ = std::min(since_ + 1, kSlots);
  if (digit_) follow(out);
  if (slot.energy > quiet_energy_) look(out);
}

// Is the key that sounds still there?
void DtmfDetector::follow(DtmfEvents& out) noexcept {
  const Slot& slot = back(0);
  if (slot.energy == kNotReceived) {
    settled_ = true;  // a window with a hole would say too little
    if (++lost_ > kLostHops) end(heard_until_, out);
    return;
  }
  lost_ = 0;
  const auto amplitude = [&](int t) {
    const auto i = static_cast<std::size_t>(t);
    return std::sqrt(slot.re[i] * slot.re[i] + slot.im[i] * slot.im[i]) * (2.0f / kHop);
  };
  const float low = amplitude(low_tone_), high = amplitude(high_tone_);
  if (low > kPresent * low_ && high > kPresent * high_) {
    away_ = 0;
    heard_until_ = at_;
    // Its levels, as soon as a window lies whole within the key.
    if (!settled_ && at_ - onset_ > (kSettle + 1) * kHop) {
      low_ = measure(low_tone_, kSettle, kSettle).amplitude;
      high_ = measure(high_tone_, kSettle, kSettle).amplitude;
      settled_ = true;
    }
    return;
  }
  settled_ = true;
  if (++away_ >= kAwayHops) end(heard_until_, out);
}

// Has a key begun?
void DtmfDetector::look(DtmfEvents& out) noexcept {
  // Which tones? A short window tells the rows and the columns apart even when they are 1.8 % off.
  float power[kTones];
  {
    float re[kTones] = {}, im[kTones] = {};
    float energy = 0;
    for (int n = 0; n < kGlance; ++n) {
      const Slot& s = back(n);
      for (std::size_t t = 0; t < kTones; ++t) re[t] += s.re[t];
      for (std::size_t t = 0; t < kTones; ++t) im[t] += s.im[t];
      energy += std::max(s.energy, 0.0f);
    }
    float most[2] = {};
    for (int t = 0; t < kTones; ++t) {
      power[t] = re[t] * re[t] + im[t] * im[t];
      most[t / 4] = std::max(most[t / 4], power[t]);
    }
    if (most[0] + most[1] < kGlanceShare * energy * (kGlance * kHop / 2.0f)) return;
  }
  const auto low = static_cast<int>(std::max_element(power, power + 4) - power);
  const auto high = static_cast<int>(std::max_element(power + 4, power + 8) - power);
  if (digit_ && low == low_tone_ && high == high_tone_) return;
  const char digit = kDtmfKeys[static_cast<std::size_t>(low * 4 + high - 4)];
  const bool again = digit == last_digit_ && at_ - last_end_ < kAgain;

  // Longer and longer windows. Hops that were lost count for nothing, and so does digital silence: it is how
  // others conceal lost packets. Amplitudes added without regard to phase bound what a coherent look can
  // find.
  const auto l = static_cast<std::size_t>(low), h = static_cast<std::size_t>(high);
  float row_sum = 0, column_sum = 0, energy = 0;
  int valid = 0, slots = 0;
  for (const Evidence& e : kEvidence) {
    while (valid < e.hops) {
      if (slots == since_ || slots - valid > kMaxHole) return look_at_packets(low, high, out);
      const Slot& s = back(slots++);
      if (s.energy <= 0) continue;
      ++valid;
      row_sum += std::sqrt(s.re[l] * s.re[l] + s.im[l] * s.im[l]);
      column_sum += std::sqrt(s.re[h] * s.re[h] + s.im[h] * s.im[h]);
      energy += s.energy;
    }
    const auto samples = static_cast<float>(kHop * valid);
    if (row_sum * row_sum + column_sum * column_sum < e.share * 0.95f * energy * samples / 2) continue;
    if (again && e.hops < kAgainHops) continue;
    Tone row = measure(low, slots, valid), column = measure(high, slots, valid);
    if (slots == valid) part(low, row, high, column, slots);
    if (!loud_enough(digit, row, column) || !in_limits(row, column)) continue;
    const float share =
        (row.amplitude * row.amplitude + column.amplitude * column.amplitude) * samples / (2 * energy);
    const float odd = oddness(row, column);
    if (odd > 1 && e.hops < kOddHops) continue;
    if (share < share_wanted(e.share, odd)) continue;
    begin(low, high, row.amplitude, column.amplitude, out);
    return;
  }
  look_at_packets(low, high, out);
}

// Is each of the newest packets a key, whatever the phase does between them?
void DtmfDetector::look_at_packets(int low, int high, DtmfEvents& out) noexcept {
  if (since_ < kPackets * kPacketHops) return;
  const auto l = static_cast<std::size_t>(low), h = static_cast<std::size_t>(high);
  float energy[kPackets];
  for (int p = 0; p < kPackets; ++p) {
    float tones = 0;  // their energy without regard to phase, which bounds what is found with it
    energy[p] = 0;
    for (int n = p * kPacketHops; n < (p + 1) * kPacketHops; ++n) {
      const Slot& s = back(n);
      if (s.energy <= 0) return;
      energy[p] += s.energy;
      tones += s.re[l] * s.re[l] + s.im[l] * s.im[l] + s.re[h] * s.re[h] + s.im[h] * s.im[h];
    }
    if (tones < kPacketShare * 0.9f * energy[p] * kHop / 2) return;
  }
  const auto rows = measure_packets(low), columns = measure_packets(high);
  Tone row, column;  // of the loudest
  for (std::size_t p = 0; p < kPackets; ++p) {
    if (!in_limits(rows[p], columns[p])) return;
    const float a = rows[p].amplitude, b = columns[p].amplitude;
    const float share = (a * a + b * b) * (kHop * kPacketHops) / (2 * energy[p]);
    if (share < share_wanted(kPacketShare, oddness(rows[p], columns[p]))) return;
    if (a > row.amplitude) row = rows[p];
    if (b > column.amplitude) column = columns[p];
  }
  const char digit = kDtmfKeys[static_cast<std::size_t>(low * 4 + high - 4)];
  if (loud_enough(digit, row, column)) begin(low, high, row.amplitude, column.amplitude, out);
}

bool DtmfDetector::loud_enough(char digit, const Tone& row, const Tone& column) const noexcept {
  if (row.amplitude < floor_ || column.amplitude < floor_) return false;
  // What an echo canceller lets through of the key that has just ended is no key.
  const bool soon = digit == last_digit_ && at_ - last_end_ < kEcho;
  return !soon || row.amplitude >= kEchoLevel * low_ || column.amplitude >= kEchoLevel * high_;
}

bool DtmfDetector::in_limits(const Tone& row, const Tone& column) const noexcept {
  return row.amplitude <= column.amplitude * low_over_high_ &&
         column.amplitude <= row.amplitude * high_over_low_ && std::fabs(row.off) <= 1 &&
         std::fabs(column.off) <= 1;
}

// How unlike a key two tones are.
float DtmfDetector::oddness(const Tone& row, const Tone& column) noexcept {
  const auto square = [](float x) { return x * x; };
  return kOddOff * (square(row.off) + square(column.off)) +
         kOddTwist * square(std::log(row.amplitude / column.amplitude)) +
         kOddBend * (square(row.bend) + square(column.bend)) +
         kOddRipple * (square(row.ripple) + square(column.ripple));
}

// One tone through the newest `slots` hops, `valid` of which were received: how strong, how far off, how
// steady.
DtmfDetector::Tone DtmfDetector::measure(int tone, int slots, int valid) const noexcept {
  const auto t = static_cast<std::size_t>(tone);
  float zr[kSlots], zi[kSlots];  // oldest first
  for (int n = 0; n < slots; ++n) {
    const Slot& s = back(slots - 1 - n);
    zr[n] = s.re[t];
    zi[n] = s.im[t];
  }

  // How far the phase turns from hop to hop is how far the tone is off. Neighbours are averaged first: what
  // leaks in from the other tone turns fast and goes away.
  float sr = 0, si = 0, pr = 0, pi = 0;
  for (int n = 1; n + 1 < slots; ++n) {
    const float yr = zr[n - 1] + 2 * zr[n] + zr[n + 1], yi = zi[n - 1] + 2 * zi[n] + zi[n + 1];
    sr += yr * pr + yi * pi;
    si += yi * pr - yr * pi;
    pr = yr;
    pi = yi;
  }
  Complex turn = {sr, -si};  // one hop back
  const float length = std::sqrt(sr * sr + si * si);
  if (length <= 0) return {};
  turn = {turn.re / length, turn.im / length};
  float step = -std::atan2(turn.im, turn.re);

  // With that undone, each third of the window is one number.
  const int third = slots / 3;
  const int from[] = {0, third, slots - third, slots};
  Complex part[3];
  int heard[3] = {};
  Complex clock = {1, 0};
  for (int k = 0; k < 3; ++k) {
    for (int n = from[k]; n < from[k + 1]; ++n) {
      part[k].re += zr[n] * clock.re - zi[n] * clock.im;
      part[k].im += zr[n] * clock.im + zi[n] * clock.re;
      clock = clock * turn;
      heard[k] += back(slots - 1 - n).energy > 0;
    }
  }

  // Between the first and the last third lies the rest of the turn; what the middle one adds is curvature:
  // the pitch of a voice glides, a key's does not.
  const Complex across = part[2] * part[0].conjugate();
  const float angle = std::atan2(across.im, across.re);
  const Complex half = {std::cos(angle / 2), std::sin(angle / 2)};
  step += angle / static_cast<float>(slots - third);
  const Complex first = part[0] * half, last = part[2] * half.conjugate();
  const Complex sum = first + part[1] + last;

  Tone result;
  result.phase =
      std::atan2(sum.im, sum.re) - std::atan2(turn.im, turn.re) * static_cast<float>(slots - 1) / 2;
  result.step = step;
  result.off = step / bank_->limit[t];
  // A tone that is off loses a little within each hop: undo that.
  result.amplitude = sum.length() * (1 + step * step / 24) * 2 / static_cast<float>(kHop * valid);
  if (heard[0] && heard[1] && heard[2]) {
    const Complex bend = (first + last) * part[1].conjugate();
    result.bend = std::atan2(bend.im, bend.re);
    const float level[] = {part[0].length() / static_cast<float>(heard[0]),
                           part[1].length() / static_cast<float>(heard[1]),
                           part[2].length() / static_cast<float>(heard[2])};
    const auto [weakest, strongest] = std::minmax_element(level, level + 3);
    result.ripple = 1 - *weakest / *strongest;
  }
  return result;
}

// One tone in each of the newest packets, whatever its phase does between them.
std::array<DtmfDetector::Tone, DtmfDetector::kPackets> DtmfDetector::measure_packets(
    int tone) const noexcept {
  const auto t = static_cast<std::size_t>(tone);
  const auto z = [&](int n) { return Complex{back(n).re[t], back(n).im[t]}; };
  // How far the phase turns from the first half of a packet to the second is how far the tone is off.
  Complex turned;
  for (int p = 0; p < kPackets * kPacketHops; p += kPacketHops)
    turned = turned + (z(p + 1) + z(p)) * (z(p + 3) + z(p + 2)).conjugate();
  const float step = std::atan2(turned.im, turned.re) / 2;
  const Complex turn = {std::cos(step), std::sin(step)};
  std::array<Tone, kPackets> packets;
  for (int p = 0; p < kPackets; ++p) {
    Complex sum;
    for (int n = kPacketHops - 1; n >= 0; --n) sum = sum * turn + z(p * kPacketHops + n);
    Tone& packet = packets[static_cast<std::size_t>(p)];
    packet.amplitude = sum.length() * (1 + step * step / 24) * 2 / (kHop * kPacketHops);
    packet.step = step;
    packet.off = step / bank_->limit[t];
  }
  return packets;
}

// What each tone sees of the other through the window's side lobes, taken away again.
void DtmfDetector::part(int low, Tone& row, int high, Tone& column, int slots) const noexcept {
  const auto l = static_cast<std::size_t>(low), h = static_cast<std::size_t>(high);
  const auto nominal =
      static_cast<float>((kFrequencies[h] - kFrequencies[l]) * 2 * std::numbers::pi / kSampleRateHz);
  // Within a hop each tone was looked for at its nominal frequency, from hop to hop at the real one.
  const auto comb = [](float n, float x) { return std::sin(n * x) / (n * std::sin(x)); };
  const float hops = comb(static_cast<float>(slots), (nominal * kHop + column.step - row.step) / 2);
  const float in_row = hops * comb(kHop, (nominal + column.step / kHop) / 2);
  const float in_column = hops * comb(kHop, (nominal - row.step / kHop) / 2);
  // The phases are against clocks of different frequencies: at the middle of the window the clocks are so far
  // apart.
  const int half_hops = 2 * (phase_ + Bank::kPeriod - 1) - (slots - 1);
  const double clocks = (kFrequencies[h] - kFrequencies[l]) * std::numbers::pi * half_hops / Bank::kPeriod;
  const float angle =
      column.phase - row.phase + static_cast<float>(std::remainder(clocks, 2 * std::numbers::pi));
  const Complex between = {std::cos(angle), std::sin(angle)};
  const float a = row.amplitude, b = column.amplitude, rest = 1 - in_row * in_column;
  row.amplitude = Complex{a - in_row * b * between.re, -in_row * b * between.im}.length() / rest;
  column.amplitude = Complex{b - in_column * a * between.re, in_column * a * between.im}.length() / rest;
}

void DtmfDetector::begin(int low, int high, float low_amplitude, float high_amplitude,
                         DtmfEvents& out) noexcept {
  if (digit_) end(heard_until_, out);
  digit_ = kDtmfKeys[static_cast<std::size_t>(low * 4 + high - 4)];
  low_tone_ = low;
  high_tone_ = high;
  low_ = low_amplitude;
  high_ = high_amplitude;
  away_ = lost_ = 0;
  settled_ = false;

  // The onset: back to the first hop in which both tones are there, that one counted by how full it is.
  // Across a hole they have to be there in full: what lies beyond a pause is the rest of another key.
  onset_ = at_;
  int hole = 0;
  for (int n = 0; n < since_ && hole <= kMaxHole; ++n) {
    const Slot& s = back(n);
    if (s.energy <= 0) {
      ++hole;
      continue;
    }
    const auto l = static_cast<std::size_t>(low), h = static_cast<std::size_t>(high);
    const float seen =
        std::sqrt(s.re[l] * s.re[l] + s.im[l] * s.im[l]) + std::sqrt(s.re[h] * s.re[h] + s.im[h] * s.im[h]);
    const float full = std::min(1.0f, seen * 2 / (kHop * (low_ + high_)));
    if (full < (hole ? kFull : 0.1f)) break;
    hole = 0;
    onset_ = at_ - n * kHop - static_cast<std::int64_t>(full * kHop);
    if (full < kFull) break;
  }
  heard_until_ = at_;
  since_ = 0;
  out.push_back({DtmfEvent::Kind::began, digit_, onset_, at_ - onset_, dbm0(low_), dbm0(high_)});
}

void DtmfDetector::end(std::int64_t at, DtmfEvents& out) noexcept {
  out.push_back({DtmfEvent::Kind::ended, digit_, onset_, std::max<std::int64_t>(at - onset_, 0), dbm0(low_),
                 dbm0(high_)});
  last_digit_ = digit_;
  last_end_ = at;
  digit_ = 0;
  since_ = std::min(since_, away_);
  away_ = lost_ = 0;
}

}  // namespace ivr
