#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <string>

#include "absl/status/status.h"
#include "core/dtmf_routines.hpp"
#include "core/level.hpp"
#include "ivr/dtmf.hpp"

// What the spectra mean. dtmf_routines.hpp makes them, and says which hops are worth the trouble here.

namespace ivr {
namespace {

constexpr int kTones = DtmfSpectra::kTones, kHop = DtmfSpectra::kHop, kSlots = DtmfSpectra::kSlots;
constexpr int kNotReceived = DtmfSpectra::kNotReceived;
constexpr int kRemembered = kSlots - DtmfRoutines::kHops;  // hops: others are written over while one is heard

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
constexpr float kOddOff = 1.0f;      // for a tone at the limit of its frequency
constexpr float kOddTwist = 0.096f;  // for each time that one is twice as strong, squared
constexpr float kOddBend = 31.6f;    // for a turn squared
constexpr float kOddRipple = 1.0f;   // for a tone gone in one third
constexpr int kOddHops = 7;          // and has to hold so long

// A lost packet for which the one before was played again makes the phase jump at both its edges, and no
// window is whole. kPackets in a row, each of them a key by itself, are one nevertheless.
constexpr int kPacketHops = 4;  // 20 ms
constexpr float kPacketShare = 0.85f;

constexpr int kMaxHole = 8;              // hops missing from a window: two packets
constexpr int kLongest = 14 + kMaxHole;  // window
constexpr int kLostHops = 40;            // what a hole may hide of a key that sounds
constexpr int kSettle = 8;               // a window for the levels
constexpr float kLevel = 0.125f;         // a ripple: the key fills the window, its levels are right already
constexpr float kPresent = 0.35f;        // of a tone's amplitude: still there
constexpr float kFull = 0.7f;            // of a hop: the tone fills it
constexpr int kAwayHops = 5;             // so long a pause ends a key: 20 ms are bridged, 30 ms split (Q.24)

constexpr std::int64_t kAgain = 60 * kSampleRateHz / 1000;  // the same key sooner than this after its end...
constexpr int kAgainHops = 8;  // ...has to hold so long: packets may have been lost
constexpr std::int64_t kEcho = 150 * kSampleRateHz / 1000;  // the same key so soon and...
constexpr float kEchoLevel = 0.6f;                          // ...so much weaker is its echo

// Many a machine that we build for cannot count bits.
bool fewer_bits(std::uint32_t word, int than) {
  for (int i = 1; i < than; ++i) word &= word - 1;
  return word == 0;
}

// Base 2, of a positive number; within 1e-5.
float logarithm(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const float exponent = static_cast<float>(static_cast<int>(bits >> 23) - 127);
  const float m = std::bit_cast<float>((bits & 0x7fffff) | 0x3f800000) - 1.5f;
  return exponent + 0.5849625f +
         m * (0.9618208f +
              m * (-0.320613f + m * (0.1417247f + m * (-0.0707969f + m * (0.0439075f + m * -0.0245685f)))));
}

// How much of the sound two tones have to explain: who is odd loses the leave to be doubtful.
float share_wanted(float share, float odd) {
  return share + std::max(0.0f, kClean - share) * std::min(1.0f, odd);
}

float dbm0(float amplitude) {  // a full-scale sine is +3.14 dBm0 (G.711)
  return 6.0206f * (logarithm(std::max(amplitude, 1e-3f)) - 15) + 3.14f;
}

constexpr float kNothing = std::numeric_limits<float>::min();  // so that no division is by 0

constexpr float square(float x) { return x * x; }
float power_of(DtmfSpectra::Number z) { return static_cast<float>(z.re * z.re + z.im * z.im); }

// A row's complex number and a column's; the compiler has registers for that on every machine we build for.
using Four = float __attribute__((vector_size(16)));
using Shorts = std::int16_t __attribute__((vector_size(8)));
using Words = std::int32_t __attribute__((vector_size(16)));

Four numbers(const std::array<DtmfSpectra::Number, kTones>& hop, int low, int high) {
  const auto bits = [&](int t) { return std::bit_cast<std::uint32_t>(hop[static_cast<std::size_t>(t)]); };
  std::uint64_t both = bits(high);
  both = (std::endian::native == std::endian::little ? both << 32 | bits(low)
                                                     : std::uint64_t{bits(low)} << 32 | both);
  return __builtin_convertvector(std::bit_cast<Shorts>(both), Four);
}
Four swap(Four z) { return __builtin_shufflevector(z, z, 1, 0, 3, 2); }
Four conjugate(Four z) { return z * Four{1, -1, 1, -1}; }
Four times(Four a, Four b) {
  const Four re = __builtin_shufflevector(b, b, 0, 0, 2, 2), im = __builtin_shufflevector(b, b, 1, 1, 3, 3);
  return a * re + swap(a) * (im * Four{-1, 1, -1, 1});
}
float row_power(Four z) { return z[0] * z[0] + z[1] * z[1]; }
float column_power(Four z) { return z[2] * z[2] + z[3] * z[3]; }

// The unit numbers of half the angles.
Four half_way(Four z) {
  const float row = std::sqrt(row_power(z)) + kNothing, column = std::sqrt(column_power(z)) + kNothing;
  const Four unit = z * Four{1 / row, 1 / row, 1 / column, 1 / column};
  const float r = std::sqrt(std::max(0.5f + unit[0] / 2, 1e-6f)),
              c = std::sqrt(std::max(0.5f + unit[2] / 2, 1e-6f));
  return Four{r, unit[1] / (2 * r), c, unit[3] / (2 * c)};
}

// a to the power of n, which is not 0.
Four raised(Four a, int n) {
  for (; n % 2 == 0; n /= 2) a = times(a, a);
  Four result = a;
  for (n /= 2; n > 0; n /= 2) {
    a = times(a, a);
    if (n % 2 == 1) result = times(result, a);
  }
  return result;
}

Four magnitude(Four x) { return reinterpret_cast<Four>(reinterpret_cast<Words>(x) & 0x7fffffff); }
Four with_sign_of(Four positive, Four sign) {
  constexpr std::int32_t kSign = std::numeric_limits<std::int32_t>::min();
  return reinterpret_cast<Four>(reinterpret_cast<Words>(positive) | (reinterpret_cast<Words>(sign) & kSign));
}

// Of turns of a circle; within 1e-6. The polynomial is the best of its degree over a quarter of one.
Four sine(Four turns) {
  constexpr float kNearest = 12582912;  // 1.5 * 2^23: adding it leaves whole numbers
  turns -= (turns + kNearest) - kNearest;
  const Four folded = with_sign_of(0.25f - magnitude(magnitude(turns) - 0.25f), turns);
  const Four s = folded * folded;
  return folded * (6.28316404f + s * (-41.3371424f + s * (81.3407689f + s * -70.9934333f)));
}

// In turns, -0.5 to 0.5; within 1e-6. The polynomial is the best of its degree over an eighth of one.
Four arctangent(Four y, Four x) {
  const Four across = magnitude(x), up = magnitude(y);
  const Four small = across < up ? across : up, large = across < up ? up : across;
  const Four ratio = small / (large + kNothing);
  const Four s = ratio * ratio;
  Four angle =
      ratio *
      (0.15915132f +
       s * (-0.05293857f + s * (0.03080291f + s * (-0.01852985f + s * (0.00837909f + s * -0.00186516f)))));
  angle = across < up ? 0.25f - angle : angle;
  angle = x < 0.0f ? 0.5f - angle : angle;
  return with_sign_of(angle, y);
}

}  // namespace

// The newest hops as one row and one column see them, newest first.
struct DtmfDetector::Window {
  static constexpr int kMost = kLongest + 2;
  Four number[kMost];
  bool heard[kMost];
  int slots = 0, valid = 0;  // hops in it, and how many of them were received
  float energy = 0;
  float rows = 0, columns = 0;  // sums of amplitudes: without regard to phase

  void add(const std::array<DtmfSpectra::Number, kTones>& hop, std::int32_t e, int low, int high) noexcept {
    number[slots] = numbers(hop, low, high);
    heard[slots] = e > 0;
    ++slots;
    if (e <= 0) return;
    ++valid;
    energy += static_cast<float>(e);
    rows += std::sqrt(power_of(hop[static_cast<std::size_t>(low)]));
    columns += std::sqrt(power_of(hop[static_cast<std::size_t>(high)]));
  }
  // The share of the sound that a coherent look can find at most.
  bool may_explain(float share) const noexcept {
    return square(rows) + square(columns) >= share * 0.95f * kDtmfFull * energy * static_cast<float>(valid);
  }
  // The unit numbers that undo the turn of the tones from one hop to the next: how far they are off.
  // Neighbours are averaged first: what leaks in from the other tone turns fast and goes away.
  Four back_a_hop() const noexcept {
    Four same{}, crossed{}, after{};
    for (int n = 1; n + 1 < slots; ++n) {
      const Four mean = number[n - 1] + number[n] + number[n] + number[n + 1];
      same += mean * after;
      crossed += swap(mean) * after;
      after = mean;
    }
    same += swap(same);
    crossed -= swap(crossed);
    const float r = 1 / std::sqrt(square(same[0]) + square(crossed[0]) + kNothing);
    const float c = 1 / std::sqrt(square(same[2]) + square(crossed[2]) + kNothing);
    return Four{same[0] * r, crossed[0] * r, same[2] * c, crossed[2] * c};
  }
};

// Of each tone, 1 by the turns a hop that are allowed.
constexpr auto kAllowed = [] {
  std::array<float, kTones> allowed{};
  for (int t = 0; t < kTones; ++t)
    allowed[static_cast<std::size_t>(t)] =
        static_cast<float>(kSampleRateHz / (kMaxOffset * kDtmfTonesHz[t] * kHop));
  return allowed;
}();

struct DtmfDetector::Tone {  // one tone in a window
  float amplitude = 0;
  float turn = 0;        // of a circle, a hop: how far it is off...
  float off = 0;         // ...in parts of what is allowed
  float at = 0;          // turns since the middle of the window...
  float re = 0, im = 0;  // ...and where the tone then was, against its own clock; of any length
  float bend = 0;        // turns by which the middle leaves the straight line
  float ripple = 0;      // weakest third against the strongest: 0 is level, 1 is gone

  // Turns a hop to what is allowed for that tone.
  static float off_by(float turn, int tone) noexcept {
    return turn * kAllowed[static_cast<std::size_t>(tone)];
  }
  // A tone that is off loses a little within each hop: undo that.
  static float sinc(float turn) noexcept {
    return 1 + turn * turn * static_cast<float>(square(2 * std::numbers::pi_v<float>) / 24);
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
  return DtmfDetector(options, DtmfRoutines::best());
}

DtmfDetector::DtmfDetector(const DtmfOptions& options, const DtmfRoutines& routines)
    : routines_(&routines),
      floor_(static_cast<float>(amplitude_of(options.floor_dbm0))),
      low_over_high_(static_cast<float>(std::pow(10.0, options.max_low_over_high_db / 20))),
      high_over_low_(static_cast<float>(std::pow(10.0, options.max_high_over_low_db / 20))) {
  quiet_energy_ = static_cast<std::int32_t>(0.25f * floor_ * floor_ * kHop / 2 / kDtmfEnergyUnit);
}

void DtmfDetector::process(std::span<const std::int16_t> pcm, DtmfEvents& out) noexcept {
  process(pcm, *routines_, out);
}

void DtmfDetector::process(std::span<const std::int16_t> pcm, const DtmfRoutines& routines,
                           DtmfEvents& out) noexcept {
  while (!pcm.empty()) {
    if (staged_count_ == 0 && pcm.size() >= kHop) {
      const int hops = static_cast<int>(std::min<std::size_t>(pcm.size() / kHop, DtmfRoutines::kHops));
      hear(pcm.data(), hops, routines, out);
      pcm = pcm.subspan(static_cast<std::size_t>(hops) * kHop);
      continue;
    }
    const auto n = std::min<std::size_t>(pcm.size(), static_cast<std::size_t>(kHop - staged_count_));
    std::copy_n(pcm.begin(), n, staged_.begin() + staged_count_);
    staged_count_ = static_cast<std::int16_t>(staged_count_ + static_cast<int>(n));
    pcm = pcm.subspan(n);
    if (staged_count_ == kHop) flush(routines, out);
  }
}

void DtmfDetector::lost(int samples, DtmfEvents& out) noexcept {
  while (samples > 0) {
    const int n = std::min(samples, kHop - staged_count_);
    std::fill_n(staged_.begin() + staged_count_, n, std::int16_t{0});
    staged_count_ = static_cast<std::int16_t>(staged_count_ + n);
    staged_lost_ = static_cast<std::int16_t>(staged_lost_ + n);
    samples -= n;
    if (staged_count_ == kHop) flush(*routines_, out);
  }
}

void DtmfDetector::finish(DtmfEvents& out) noexcept {
  if (digit_) end(heard_until_, out);
  since_ = 0;
}

// A hop that came in parts; one that did not come whole counts for nothing.
void DtmfDetector::flush(const DtmfRoutines& routines, DtmfEvents& out) noexcept {
  const bool whole = staged_lost_ == 0;
  staged_count_ = staged_lost_ = 0;
  if (whole) return hear(staged_.data(), 1, routines, out);
  advance(1);
  spectra_.tone[static_cast<std::size_t>(newest_)].fill({});
  spectra_.energy[static_cast<std::size_t>(newest_)] = kNotReceived;
  for (std::uint32_t& present : spectra_.present) present <<= 1;
  if (digit_) follow(out);
}

void DtmfDetector::hear(const std::int16_t* pcm, int hops, const DtmfRoutines& routines,
                        DtmfEvents& out) noexcept {
  const DtmfGlance glance =
      routines.analyse(*routines.basis, pcm, hops, newest_, phase_, quiet_energy_, spectra_);
  if (glance.look == 0 && !digit_) return advance(hops);
  for (int k = 0; k < hops; ++k) {
    advance(1);
    if (digit_) follow(out);
    if (!(glance.look >> k & 1)) continue;
    const unsigned strongest = glance.strongest[static_cast<std::size_t>(k)];
    const int low = std::countr_zero(strongest), high = std::countr_zero(strongest & 0xf0);
    if (digit_ && low == low_tone_ && high == high_tone_) continue;
    // Whatever the window, fewer hops with both tones never explain enough of it. Of these the newest are
    // still to come.
    const std::uint32_t both =
        spectra_.present[static_cast<std::size_t>(low)] & spectra_.present[static_cast<std::size_t>(high)];
    const std::uint32_t ours = (std::uint32_t{1} << std::min(since_, kLongest)) - 1;
    if (!fewer_bits(both >> (hops - 1 - k) & ours, kEvidence[0].hops)) look(low, high, out);
  }
}

void DtmfDetector::advance(int hops) noexcept {
  newest_ = (newest_ + hops) & (kSlots - 1);
  phase_ += hops;
  if (phase_ >= DtmfBasis::kPeriod) phase_ -= DtmfBasis::kPeriod;
  at_ += hops * kHop;
  since_ = std::min(since_ + hops, kRemembered);
}

// Is the key that sounds still there?
void DtmfDetector::follow(DtmfEvents& out) noexcept {
  if (energy(0) == kNotReceived) {
    settled_ = true;  // a window with a hole would say too little
    if (++lost_ > kLostHops) end(heard_until_, out);
    return;
  }
  lost_ = 0;
  const auto& hop = back(0);
  if (power_of(hop[static_cast<std::size_t>(low_tone_)]) > low_present_ &&
      power_of(hop[static_cast<std::size_t>(high_tone_)]) > high_present_) {
    away_ = 0;
    heard_until_ = at_;
    // Its levels, as soon as a window lies whole within the key.
    if (!settled_ && at_ - onset_ > (kSettle + 1) * kHop) settle();
    return;
  }
  settled_ = true;
  if (++away_ >= kAwayHops) end(heard_until_, out);
}

void DtmfDetector::settle() noexcept {
  const Four back_a_hop = sine(Four{low_turn_ + 0.25f, -low_turn_, high_turn_ + 0.25f, -high_turn_});
  const Four back_two_hops = times(back_a_hop, back_a_hop);
  Four even{}, odd{};
  for (int n = 0; n < kSettle; n += 2) {
    even = times(even, back_two_hops) + numbers(back(n), low_tone_, high_tone_);
    odd = times(odd, back_two_hops) + numbers(back(n + 1), low_tone_, high_tone_);
  }
  const Four sum = times(even, back_a_hop) + odd;
  constexpr float kWhole = 1 / (kDtmfUnit * kSettle);
  set_levels(std::sqrt(row_power(sum)) * Tone::sinc(low_turn_) * kWhole,
             std::sqrt(column_power(sum)) * Tone::sinc(high_turn_) * kWhole);
  settled_ = true;
}

// Has a key begun? These are the strongest tones of the newest hops.
void DtmfDetector::look(int low, int high, DtmfEvents& out) noexcept {
  const char digit = kDtmfKeys[static_cast<std::size_t>(low * 4 + high - 4)];
  const bool again = digit == last_digit_ && at_ - last_end_ < kAgain;

  // Longer and longer windows. Hops that were lost count for nothing, and so does digital silence: it is how
  // others conceal lost packets.
  Window window;
  for (const Evidence& e : kEvidence) {
    while (window.valid < e.hops) {
      if (window.slots == since_ || window.slots - window.valid > kMaxHole)
        return look_at_packets(low, high, out);
      window.add(back(window.slots), energy(window.slots), low, high);
    }
    if (!window.may_explain(e.share)) continue;
    if (again && e.hops < kAgainHops) continue;
    auto [row, column] = measure(window, low, high);
    if (window.slots == window.valid) part(low, row, high, column, window.slots);
    if (!loud_enough(digit, row.amplitude, column.amplitude) || !in_limits(row, column)) continue;
    const float share = share_of(row, column, window.valid, window.energy);
    const float odd = oddness(row, column);
    if (odd > 1 && e.hops < kOddHops) continue;
    if (share < share_wanted(e.share, odd)) continue;
    begin(low, row, high, column, out);
    settled_ = row.ripple < kLevel && column.ripple < kLevel;
    return;
  }
  look_at_packets(low, high, out);
}

// Is each of the newest packets a key, whatever the phase does between them?
void DtmfDetector::look_at_packets(int low, int high, DtmfEvents& out) noexcept {
  if (since_ < kPackets * kPacketHops) return;
  float energies[kPackets];
  for (int p = 0; p < kPackets; ++p) {
    Window packet;
    for (int n = p * kPacketHops; n < (p + 1) * kPacketHops; ++n) packet.add(back(n), energy(n), low, high);
    if (packet.valid < kPacketHops || !packet.may_explain(kPacketShare)) return;
    energies[p] = packet.energy;
  }
  const auto rows = measure_packets(low), columns = measure_packets(high);
  Tone row, column;  // the loudest
  for (std::size_t p = 0; p < kPackets; ++p) {
    if (!in_limits(rows[p], columns[p])) return;
    const float share = share_of(rows[p], columns[p], kPacketHops, energies[p]);
    if (share < share_wanted(kPacketShare, oddness(rows[p], columns[p]))) return;
    if (rows[p].amplitude > row.amplitude) row = rows[p];
    if (columns[p].amplitude > column.amplitude) column = columns[p];
  }
  const char digit = kDtmfKeys[static_cast<std::size_t>(low * 4 + high - 4)];
  if (loud_enough(digit, row.amplitude, column.amplitude)) begin(low, row, high, column, out);
}

bool DtmfDetector::loud_enough(char digit, float row, float column) const noexcept {
  if (row < floor_ || column < floor_) return false;
  // What an echo canceller lets through of the key that has just ended is no key.
  const bool soon = digit == last_digit_ && at_ - last_end_ < kEcho;
  return !soon || row >= kEchoLevel * low_ || column >= kEchoLevel * high_;
}

bool DtmfDetector::in_limits(const Tone& row, const Tone& column) const noexcept {
  return row.amplitude <= column.amplitude * low_over_high_ &&
         column.amplitude <= row.amplitude * high_over_low_ && std::fabs(row.off) <= 1 &&
         std::fabs(column.off) <= 1;
}

// How unlike a key two tones are.
float DtmfDetector::oddness(const Tone& row, const Tone& column) noexcept {
  return kOddOff * (square(row.off) + square(column.off)) +
         kOddTwist * square(logarithm(row.amplitude / column.amplitude)) +
         kOddBend * (square(row.bend) + square(column.bend)) +
         kOddRipple * (square(row.ripple) + square(column.ripple));
}

// How much of the sound two tones are.
float DtmfDetector::share_of(const Tone& row, const Tone& column, int hops, float energy) noexcept {
  const float power = square(row.amplitude) + square(column.amplitude);
  return power * static_cast<float>(kHop * hops) / (2 * kDtmfEnergyUnit * energy);
}

// Both tones through a window: how strong, how far off, how steady.
std::pair<DtmfDetector::Tone, DtmfDetector::Tone> DtmfDetector::measure(const Window& window, int low,
                                                                        int high) noexcept {
  const int slots = window.slots, third = slots / 3;
  const Four back_a_hop = window.back_a_hop();

  // With that undone, each third of the window is one number; they are counted from the newest.
  const int from[] = {slots, slots - third, third, 0};
  Four part[3];
  for (int k = 0; k < 3; ++k) {
    part[k] = window.number[from[k + 1]];
    for (int n = from[k + 1] + 1; n < from[k]; ++n) part[k] = times(part[k], back_a_hop) + window.number[n];
  }
  part[1] = times(part[1], raised(back_a_hop, third));
  part[2] = times(part[2], raised(back_a_hop, slots - third));
  float heard[] = {static_cast<float>(third), static_cast<float>(slots - 2 * third),
                   static_cast<float>(third)};
  if (window.valid < slots)
    for (int k = 0; k < 3; ++k)
      heard[k] = static_cast<float>(std::count(window.heard + from[k + 1], window.heard + from[k], true));

  // Between the first and the last third lies the rest of the turn; what the middle one adds is curvature:
  // the pitch of a voice glides, a key's does not.
  const Four across = times(part[2], conjugate(part[0]));
  const Four halves = half_way(across);
  const Four first = times(part[0], halves), last = times(part[2], conjugate(halves));
  const Four angles = arctangent(Four{across[1], across[3], -back_a_hop[1], -back_a_hop[3]},
                                 Four{across[0], across[2], back_a_hop[0], back_a_hop[2]});
  const Four sum = first + part[1] + last;
  const Four bend = times(first + last, conjugate(part[1]));
  const Four bends = arctangent(swap(bend), bend);

  const float whole = 1 / (kDtmfUnit * static_cast<float>(window.valid));
  const float between_thirds = 1 / static_cast<float>(slots - third);
  const auto finish = [&](int which, int tone) {
    const auto power = [which](Four v) { return which == 0 ? row_power(v) : column_power(v); };
    Tone result;
    result.turn = angles[2 + which] + angles[which] * between_thirds;
    result.off = Tone::off_by(result.turn, tone);
    result.at = angles[2 + which] * static_cast<float>(slots - 1) / 2;
    result.re = sum[2 * which];
    result.im = sum[2 * which + 1];
    result.amplitude = std::sqrt(power(sum)) * Tone::sinc(result.turn) * whole;
    if (heard[0] > 0 && heard[1] > 0 && heard[2] > 0) {
      result.bend = bends[2 * which];
      const float level[] = {power(part[0]) / square(heard[0]), power(part[1]) / square(heard[1]),
                             power(part[2]) / square(heard[2])};
      const auto [weakest, strongest] = std::minmax_element(level, level + 3);
      result.ripple = 1 - std::sqrt(*weakest / *strongest);
    }
    return result;
  };
  return {finish(0, low), finish(1, high)};
}

// One tone in each of the newest packets, whatever its phase does between them.
auto DtmfDetector::measure_packets(int tone) const noexcept -> std::array<Tone, kPackets> {
  const auto z = [&](int n) {
    const DtmfSpectra::Number number = back(n)[static_cast<std::size_t>(tone)];
    return Four{static_cast<float>(number.re), static_cast<float>(number.im)};
  };
  // How far the phase turns from the first half of a packet to the second is how far the tone is off.
  Four turned{};
  for (int p = 0; p < kPackets * kPacketHops; p += kPacketHops)
    turned += times(z(p + 1) + z(p), conjugate(z(p + 3) + z(p + 2)));
  const float turn = arctangent(Four{turned[1]}, Four{turned[0]})[0] / 2;
  const Four ahead = sine(Four{turn + 0.25f, turn});
  std::array<Tone, kPackets> packets;
  for (int p = 0; p < kPackets; ++p) {
    Four sum{};
    for (int n = kPacketHops - 1; n >= 0; --n) sum = times(sum, ahead) + z(p * kPacketHops + n);
    Tone& packet = packets[static_cast<std::size_t>(p)];
    packet.amplitude = std::sqrt(row_power(sum)) * Tone::sinc(turn) / (kDtmfUnit * kPacketHops);
    packet.turn = turn;
    packet.off = Tone::off_by(turn, tone);
  }
  return packets;
}

// What each tone sees of the other through the window's side lobes, taken away again.
void DtmfDetector::part(int low, Tone& row, int high, Tone& column, int slots) const noexcept {
  const int apart = kDtmfTonesHz[high] - kDtmfTonesHz[low];
  const float nominal = static_cast<float>(apart) / kSampleRateHz;  // turns a sample
  // Within a hop each tone was looked for at its nominal frequency, from hop to hop at the real one.
  const float n = static_cast<float>(slots);
  const float a_hop = (nominal * kHop + column.turn - row.turn) / 2;
  const float seen_by_row = (nominal + column.turn / kHop) / 2;
  const float seen_by_column = (nominal - row.turn / kHop) / 2;
  // The phases are against clocks of different frequencies: at the middle of the window the clocks are so far
  // apart.
  const int half_hops = 2 * (phase_ + DtmfBasis::kPeriod - 1) - (slots - 1);
  const float clocks =
      static_cast<float>(apart * half_hops % (2 * DtmfBasis::kPeriod)) / (2 * DtmfBasis::kPeriod);
  const float angle = column.at - row.at + clocks;
  const Four s = sine(Four{n * a_hop, a_hop, kHop * seen_by_row, seen_by_row});
  const Four t = sine(Four{kHop * seen_by_column, seen_by_column, angle, angle + 0.25f});
  const float along = column.re * row.re + column.im * row.im;
  const float aside = column.im * row.re - column.re * row.im;
  const float lengths = (square(row.re) + square(row.im)) * (square(column.re) + square(column.im));
  const float cosine = (along * t[3] - aside * t[2]) / std::sqrt(lengths + kNothing);
  // A comb of n teeth; where its denominator is nothing it is at a peak.
  const float hops = std::fabs(s[1]) < 1e-4f ? 1 : s[0] / (n * s[1]);
  const float in_row = hops * s[2] / (kHop * s[3]), in_column = hops * t[0] / (kHop * t[1]);
  const float a = row.amplitude, b = column.amplitude, rest = 1 - in_row * in_column;
  // The third side of a triangle; in the limit of what a float holds its square may come out below 0.
  const auto without = [&](float x, float y) {
    return std::sqrt(std::max(0.0f, square(x) + square(y) - 2 * x * y * cosine)) / rest;
  };
  row.amplitude = without(a, in_row * b);
  column.amplitude = without(b, in_column * a);
}

void DtmfDetector::set_levels(float low, float high) noexcept {
  low_ = low;
  high_ = high;
  low_present_ = square(kPresent * kDtmfUnit * low);
  high_present_ = square(kPresent * kDtmfUnit * high);
}

void DtmfDetector::begin(int low, const Tone& row, int high, const Tone& column, DtmfEvents& out) noexcept {
  if (digit_) end(heard_until_, out);
  digit_ = kDtmfKeys[static_cast<std::size_t>(low * 4 + high - 4)];
  low_tone_ = static_cast<std::int8_t>(low);
  high_tone_ = static_cast<std::int8_t>(high);
  low_turn_ = row.turn;
  high_turn_ = column.turn;
  set_levels(row.amplitude, column.amplitude);
  away_ = lost_ = 0;
  settled_ = false;

  // The onset: back to the first hop in which both tones are there, that one counted by how full it is.
  // Across a hole they have to be there in full: what lies beyond a pause is the rest of another key.
  const float whole = square(kDtmfUnit) * (square(low_) + square(high_));
  onset_ = at_;
  int hole = 0;
  for (int n = 0; n < since_ && hole <= kMaxHole; ++n) {
    if (energy(n) <= 0) {
      ++hole;
      continue;
    }
    const auto& hop = back(n);
    const float seen =
        power_of(hop[static_cast<std::size_t>(low)]) + power_of(hop[static_cast<std::size_t>(high)]);
    const float full = seen < whole ? std::sqrt(seen / whole) : 1;
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
  since_ = std::min<int>(since_, away_);
  away_ = lost_ = 0;
}

}  // namespace ivr
