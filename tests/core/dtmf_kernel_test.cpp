#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "core/dtmf_routines.hpp"
#include "ivr/audio.hpp"
#include "ivr/dtmf.hpp"

// Whatever the sound is taken apart with: the numbers are the same to the last bit, and so are the keys.

namespace ivr {
namespace {

using Samples = std::vector<std::int16_t>;
constexpr std::size_t kFrame160 = 160;

std::int16_t clip(double x) {
  return static_cast<std::int16_t>(std::lround(std::clamp(x, -32768.0, 32767.0)));
}

// What a line carries: keys clean, short, off, twisted and under noise, voices, noise, clipping, rest.
Samples material(std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto uniform = [&](double a, double b) {
    return std::uniform_real_distribution<double>(a, b)(random);
  };
  std::normal_distribution<double> normal(0, 1);
  constexpr double kHz[] = {697, 770, 852, 941, 1209, 1336, 1477, 1633};
  Samples pcm;
  while (pcm.size() < 60 * kSampleRateHz) {
    const int kind = static_cast<int>(random() % 8);
    const auto length = static_cast<int>(uniform(80, 2400));
    const double gain = std::pow(10, -uniform(0, 50) / 20) * 23000;
    const double low = kHz[random() % 4] * (1 + uniform(-.03, .03)) * 2 * std::numbers::pi / 8000;
    const double high = kHz[4 + random() % 4] * (1 + uniform(-.03, .03)) * 2 * std::numbers::pi / 8000;
    const double twist = std::pow(10, uniform(-10, 10) / 20), noise = uniform(0, 1) < .5 ? 0 : uniform(0, .4);
    const double pitch = uniform(90, 280) * 2 * std::numbers::pi / 8000, glide = uniform(-2e-5, 2e-5);
    const double phase = uniform(0, 6);
    for (int i = 0; i < length; ++i) {
      double x = 0;
      if (kind <= 3)
        x = gain * (std::sin(low * i + phase) + twist * std::sin(high * i) + noise * normal(random));
      if (kind == 4)  // a voice: harmonics of a pitch that glides
        for (int k = 1; k <= 8; ++k) x += gain / k * std::sin(k * (pitch + glide * i) * i + phase * k);
      if (kind == 5) x = gain * normal(random);
      if (kind == 6) x = std::sin(low * i + phase) > 0 ? 32767 : -32768;
      if (kind == 7) x = static_cast<int>(random() % 17) - 8;
      pcm.push_back(clip(x));
    }
    if (random() % 2) pcm.resize(pcm.size() + random() % 900);  // digital silence
  }
  pcm.resize(pcm.size() / kFrame160 * kFrame160);
  return pcm;
}

std::vector<const DtmfRoutines*> vectors() {
  std::vector<const DtmfRoutines*> result;
  for (const DtmfKernel kernel : DtmfBank::kernels())
    if (kernel != DtmfKernel::scalar) result.push_back(DtmfRoutines::find(kernel));
  return result;
}

TEST(DtmfKernel, TheScalarOneIsAlwaysThereAndTheBestIsTheFirst) {
  const auto kernels = DtmfBank::kernels();
  ASSERT_FALSE(kernels.empty());
  EXPECT_EQ(kernels.back(), DtmfKernel::scalar);
  EXPECT_EQ(DtmfBank().kernel(), kernels.front());
  for (const DtmfKernel kernel : kernels) EXPECT_EQ(DtmfBank::create(kernel)->kernel(), kernel);
}

TEST(DtmfKernel, SaysWhichThereAreInsteadOfOneThatCannotBeHad) {
  for (const DtmfKernel kernel : {DtmfKernel::avx2, DtmfKernel::avx512, DtmfKernel::neon}) {
    if (DtmfRoutines::find(kernel) != nullptr) continue;
    const absl::Status status = DtmfBank::create(kernel).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_NE(status.message().find("scalar"), std::string::npos) << status;
  }
}

TEST(DtmfKernel, G711IsExpandedAsByTheCodec) {
  std::vector<std::uint8_t> codes(kFrame160);
  for (const DtmfKernel kernel : DtmfBank::kernels()) {
    const DtmfRoutines& routines = *DtmfRoutines::find(kernel);
    for (int first = 0; first < 256; ++first) {
      for (std::size_t i = 0; i < codes.size(); ++i)
        codes[i] = static_cast<std::uint8_t>(first + static_cast<int>(i));
      const std::size_t count = codes.size() - static_cast<std::size_t>(first) % 40;
      Samples wanted(count), got(count + 1, 77);
      decode(Codec::pcmu, std::span(codes).first(count), wanted);
      routines.from_ulaw(std::span(codes).first(count), got.data());
      EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), got.begin())) << to_string(kernel) << ", u-law";
      decode(Codec::pcma, std::span(codes).first(count), wanted);
      routines.from_alaw(std::span(codes).first(count), got.data());
      EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), got.begin())) << to_string(kernel) << ", A-law";
      EXPECT_EQ(got[count], 77) << "written beyond the end";
    }
  }
}

// A hop of what no line carries, too: the largest numbers, in every sign.
TEST(DtmfKernel, EveryNumberIsTheSameToTheLastBit) {
  const Samples pcm = material(1);
  std::mt19937 random(2);
  const DtmfRoutines& scalar = *DtmfRoutines::find(DtmfKernel::scalar);
  for (const DtmfRoutines* routines : vectors()) {
    DtmfSpectra one, other;
    int newest = 31, phase = 0;
    for (int i = 0; i < 8000; ++i) {
      Samples frame(kFrame160);
      const std::size_t from = random() % (pcm.size() - kFrame160);
      std::copy_n(pcm.begin() + static_cast<std::ptrdiff_t>(from), kFrame160, frame.begin());
      if (i % 10 == 0)
        for (auto& x : frame) x = random() % 2 ? 32767 : -32768;
      if (i % 10 == 1)
        std::fill(frame.begin(), frame.end(), i % 20 == 1 ? std::int16_t{-32768} : std::int16_t{32767});
      if (i % 10 == 2)
        for (auto& x : frame) x = static_cast<std::int16_t>(random());
      const int hops = i % 3 ? 4 : 1 + static_cast<int>(random() % 4);
      const int quiet = i % 7 ? 2558 : static_cast<int>(random() % 100000000);
      if (i % 50 == 0) one.energy[random() % 32] = DtmfSpectra::kNotReceived, other.energy = one.energy;
      const DtmfGlance a = scalar.analyse(*scalar.basis, frame.data(), hops, newest, phase, quiet, one);
      const DtmfGlance b =
          routines->analyse(*routines->basis, frame.data(), hops, newest, phase, quiet, other);
      const std::string where = std::string(to_string(routines->kernel)) + ", frame " + std::to_string(i);
      ASSERT_EQ(one.energy, other.energy) << where;
      for (std::size_t s = 0; s < one.tone.size(); ++s)
        for (std::size_t t = 0; t < 8; ++t) {
          ASSERT_EQ(one.tone[s][t].re, other.tone[s][t].re) << where << ", slot " << s << ", tone " << t;
          ASSERT_EQ(one.tone[s][t].im, other.tone[s][t].im) << where << ", slot " << s << ", tone " << t;
        }
      ASSERT_EQ(a.look, b.look) << where;
      for (std::size_t k = 0; k < 4; ++k)
        if (a.look >> k & 1) {
          ASSERT_EQ(a.strongest[k], b.strongest[k]) << where;
        }
      newest = (newest + hops) % DtmfSpectra::kSlots;
      phase = (phase + hops) % DtmfBasis::kPeriod;
    }
  }
}

bool same(const std::vector<DtmfHeard>& a, const std::vector<DtmfHeard>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const DtmfHeard& x, const DtmfHeard& y) {
    return x.piece == y.piece && x.event.kind == y.event.kind && x.event.digit == y.event.digit &&
           x.event.onset == y.event.onset && x.event.length == y.event.length &&
           x.event.low_dbm0 == y.event.low_dbm0 && x.event.high_dbm0 == y.event.high_dbm0;
  });
}

// Banks of the scalar kernel and of every other hear the same channels: all they say is the same. 10^7 frames
// with IVR_DTMF_FRAMES=10000000.
TEST(DtmfKernel, EveryDecisionIsTheSame) {
  const char* wanted = std::getenv("IVR_DTMF_FRAMES");
  const long frames = wanted != nullptr ? std::atol(wanted) : 200000;
  constexpr std::size_t kChannels = 50;
  const Samples pcm = material(3);
  std::vector<std::uint8_t> ulaw(pcm.size()), alaw(pcm.size());
  encode(Codec::pcmu, pcm, ulaw);
  encode(Codec::pcma, pcm, alaw);

  std::vector<DtmfBank> banks;
  for (const DtmfKernel kernel : DtmfBank::kernels()) banks.push_back(*DtmfBank::create(kernel));
  std::vector<std::vector<DtmfDetector>> detectors(
      banks.size(), std::vector<DtmfDetector>(kChannels, *DtmfDetector::create()));
  struct Place {
    std::size_t at = 0, left = 0;
    int coding = 0;
  };
  std::vector<Place> places(kChannels);
  std::vector<DtmfPiece> pieces(kChannels);
  std::vector<std::vector<DtmfHeard>> heard(banks.size());
  std::mt19937 random(4);
  long events = 0;
  for (long done = 0; done < frames; done += kChannels) {
    for (std::size_t c = 0; c < kChannels; ++c) {
      Place& place = places[c];
      if (place.left == 0)
        place = {random() % (pcm.size() - 40 * kFrame160), 1 + random() % 30, static_cast<int>(random() % 3)};
      // Mostly packets of 20 ms; now and then another length, and a loss before it.
      const std::size_t n = random() % 50 == 0 ? 1 + random() % kFrame160 : kFrame160;
      pieces[c] = {};
      if (random() % 60 == 0) pieces[c].lost = 1 + static_cast<int>(random() % 400);
      if (place.coding == 0) pieces[c].pcm = std::span(pcm).subspan(place.at, n);
      if (place.coding == 1) pieces[c].ulaw = std::span(ulaw).subspan(place.at, n);
      if (place.coding == 2) pieces[c].alaw = std::span(alaw).subspan(place.at, n);
      place.at += n;
      --place.left;
    }
    for (std::size_t b = 0; b < banks.size(); ++b) {
      for (std::size_t c = 0; c < kChannels; ++c) pieces[c].detector = &detectors[b][c];
      heard[b].clear();
      banks[b].process(pieces, heard[b]);
      ASSERT_TRUE(same(heard[b], heard[0]))
          << to_string(banks[b].kernel()) << " and " << to_string(banks[0].kernel()) << " differ after "
          << done << " frames";
    }
    events += static_cast<long>(heard[0].size());
  }
  EXPECT_GT(events, frames / 100) << "the material says nothing";
}

TEST(DtmfBank, HearsWhatEachDetectorAloneHears) {
  const Samples pcm = material(5);
  constexpr std::size_t kChannels = 7;
  std::vector<DtmfDetector> alone(kChannels, *DtmfDetector::create()), together = alone;
  DtmfBank bank;
  std::vector<DtmfHeard> heard;
  DtmfEvents events;
  std::size_t count = 0;
  for (std::size_t at = 0; at + (kChannels + 1) * 4000 < pcm.size(); at += 333) {
    std::vector<DtmfPiece> pieces;
    std::vector<DtmfHeard> wanted;
    for (std::size_t c = 0; c < kChannels; ++c) {
      const auto piece = std::span(pcm).subspan(at + c * 4000, 333);
      const int lost = (at / 333 + c) % 11 == 0 ? 160 : 0;
      pieces.push_back({.detector = &together[c], .lost = lost, .pcm = piece});
      events.clear();
      if (lost > 0) alone[c].lost(lost, events);
      alone[c].process(piece, events);
      for (const DtmfEvent& event : events) wanted.push_back({c, event});
    }
    heard.clear();
    bank.process(pieces, heard);
    ASSERT_TRUE(same(heard, wanted)) << "at " << at;
    count += heard.size();
  }
  EXPECT_GT(count, 500u);
}

}  // namespace
}  // namespace ivr
