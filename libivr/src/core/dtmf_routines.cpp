#include "core/dtmf_routines.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/g711.hpp"

// The scalar routines: what the others have to compute, as plainly as it can be said.

namespace ivr {
namespace {
namespace scalar {

constexpr int kHop = DtmfSpectra::kHop, kSlots = DtmfSpectra::kSlots;
constexpr int kHalf = DtmfBasis::kHalf, kTones = DtmfBasis::kTones;
using Hop = std::array<DtmfSpectra::Number, kTones>;

struct Folded {  // half of the sum and half of the difference of two samples as far from the middle
  std::array<std::int16_t, kHalf> sum, difference;
};

Folded fold(const std::int16_t* pcm) {
  Folded folded;
  for (std::size_t i = 0; i < kHalf; ++i) {
    const int ahead = pcm[kHalf + i], behind = pcm[kHalf - 1 - i];
    folded.sum[i] = static_cast<std::int16_t>((ahead + behind + 1) >> 1);
    folded.difference[i] = static_cast<std::int16_t>((ahead - behind) >> 1);
  }
  return folded;
}

// Squares of two samples at once fill 32 bits, so their sum is cut before the next is added.
std::int32_t energy_of(const Folded& folded) {
  const auto two = [](const std::int16_t* x) {
    return (static_cast<std::uint32_t>(x[0] * x[0]) + static_cast<std::uint32_t>(x[1] * x[1])) >> 4;
  };
  std::uint32_t energy = 0;
  for (std::size_t i = 0; i < kHalf; i += 2) energy += two(&folded.sum[i]) + two(&folded.difference[i]);
  return static_cast<std::int32_t>(energy);
}

// Sum of x[n] exp(-jwn) for the eight tones over one hop, against the common clock.
Hop project(const DtmfBasis& basis, const Folded& folded, int phase) {
  Hop hop;
  for (int t = 0; t < kTones; ++t) {
    std::int32_t cosine = 0, sine = 0;
    for (int i = 0; i < kHalf; ++i) {
      cosine += folded.sum[static_cast<std::size_t>(i)] * basis.cosine[i][t];
      sine += folded.difference[static_cast<std::size_t>(i)] * basis.sine[i][t];
    }
    const int c = (cosine + 0x8000) >> 16, s = (sine + 0x8000) >> 16;
    const auto& turn = basis.turn[phase];
    hop[static_cast<std::size_t>(t)] = {
        static_cast<std::int16_t>((c * turn[0][t][0] + s * turn[0][t][1] + 0x4000) >> 15),
        static_cast<std::int16_t>((c * turn[1][t][0] + s * turn[1][t][1] + 0x4000) >> 15)};
  }
  return hop;
}

// The square of the mean of the newest four hops, tone by tone: by halves, as the machines have it.
std::array<std::int32_t, kTones> glance_at(const DtmfSpectra& spectra, int slot) {
  const auto mean = [](int a, int b) { return (a + b + 1) >> 1; };
  const auto back = [&](int n) -> const Hop& {
    return spectra.tone[static_cast<std::size_t>((slot - n) & (kSlots - 1))];
  };
  std::array<std::int32_t, kTones> power;
  for (std::size_t t = 0; t < kTones; ++t) {
    const int re = mean(mean(back(3)[t].re, back(2)[t].re), mean(back(1)[t].re, back(0)[t].re));
    const int im = mean(mean(back(3)[t].im, back(2)[t].im), mean(back(1)[t].im, back(0)[t].im));
    power[t] = re * re + im * im;
  }
  return power;
}

DtmfGlance analyse(const DtmfBasis& basis, const std::int16_t* pcm, int hops, int newest, int phase,
                   std::int32_t quiet, DtmfSpectra& spectra) noexcept {
  DtmfGlance glance;
  for (int k = 0; k < hops; ++k, pcm += kHop) {
    const int slot = (newest + 1 + k) & (kSlots - 1);
    const Folded folded = fold(pcm);
    const std::int32_t energy = energy_of(folded);
    spectra.energy[static_cast<std::size_t>(slot)] = energy;
    Hop& hop = spectra.tone[static_cast<std::size_t>(slot)];
    for (std::uint32_t& present : spectra.present) present <<= 1;
    if (energy <= quiet) {
      hop.fill({});
      continue;
    }
    hop = project(basis, folded, (phase + k) % DtmfBasis::kPeriod);
    for (std::size_t t = 0; t < kTones; ++t)
      spectra.present[t] |= hop[t].re * hop[t].re + hop[t].im * hop[t].im > energy >> kDtmfTrace ? 1 : 0;

    const auto power = glance_at(spectra, slot);
    const std::int32_t row = *std::max_element(power.begin(), power.begin() + 4);
    const std::int32_t column = *std::max_element(power.begin() + 4, power.end());
    std::int32_t energies = 0;
    for (int n = 0; n < kDtmfGlance; ++n)
      energies += std::max(spectra.energy[static_cast<std::size_t>((slot - n) & (kSlots - 1))], 0) >> 2;
    if (static_cast<float>(row + column) < kDtmfGlanceGate * static_cast<float>(energies)) continue;
    glance.look |= 1u << k;
    unsigned strongest = 0;
    for (std::size_t t = 0; t < kTones; ++t) strongest |= (power[t] == (t < 4 ? row : column) ? 1u : 0u) << t;
    glance.strongest[static_cast<std::size_t>(k)] = static_cast<std::uint8_t>(strongest);
  }
  return glance;
}

template <std::int16_t (*kExpand)(std::uint8_t)>
void expand(std::span<const std::uint8_t> bytes, std::int16_t* pcm) noexcept {
  static constexpr auto kTable = [] {
    std::array<std::int16_t, 256> table{};
    for (std::size_t i = 0; i < 256; ++i) table[i] = kExpand(static_cast<std::uint8_t>(i));
    return table;
  }();
  for (const std::uint8_t byte : bytes) *pcm++ = kTable[byte];
}

}  // namespace scalar
}  // namespace

DtmfBasis::DtmfBasis() {
  const auto whole = [](double x) { return static_cast<std::int16_t>(std::lround(x)); };
  for (int t = 0; t < kTones; ++t) {
    const double w = 2 * std::numbers::pi * kDtmfTonesHz[t] / kSampleRateHz;
    for (int i = 0; i < kHalf; ++i) {
      cosine[i][t] = whole(kAmplitude * std::cos(w * (i + 0.5)));
      sine[i][t] = whole(-kAmplitude * std::sin(w * (i + 0.5)));
    }
    for (int p = 0; p < kPeriod; ++p) {
      const double re = 32767 * std::cos(w * DtmfSpectra::kHop * p),
                   im = -32767 * std::sin(w * DtmfSpectra::kHop * p);
      turn[p][0][t][0] = whole(re);
      turn[p][0][t][1] = whole(-im);
      turn[p][1][t][0] = whole(im);
      turn[p][1][t][1] = whole(re);
    }
  }
  constexpr int kOrder[] = {0, 1, 4, 5, 2, 3, 6, 7};
  for (int i = 0; i < kHalf; ++i)
    for (int place = 0; place < kTones; ++place) {
      std::int16_t(&four)[kTones][2] = pairs[i / 2][place / 4];
      four[place % 4 * 2][i % 2] = cosine[i][kOrder[place]];
      four[place % 4 * 2 + 1][i % 2] = sine[i][kOrder[place]];
    }
}

const DtmfBasis& dtmf_basis() {
  static const DtmfBasis basis;
  return basis;
}

const DtmfRoutines* DtmfRoutines::find(DtmfKernel kernel) {
  switch (kernel) {
    case DtmfKernel::avx512: return dtmf_avx512();
    case DtmfKernel::avx2: return dtmf_avx2();
    case DtmfKernel::neon: return dtmf_neon();
    case DtmfKernel::scalar: break;
  }
  static const DtmfRoutines routines = {DtmfKernel::scalar, &dtmf_basis(), scalar::analyse,
                                        scalar::expand<ivr::expand_ulaw>, scalar::expand<ivr::expand_alaw>};
  return &routines;
}

const DtmfRoutines& DtmfRoutines::best() {
  for (const DtmfKernel kernel : {DtmfKernel::avx512, DtmfKernel::avx2, DtmfKernel::neon})
    if (const DtmfRoutines* routines = find(kernel)) return *routines;
  return *find(DtmfKernel::scalar);
}

}  // namespace ivr
