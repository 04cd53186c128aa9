#include "core/dtmf_routines.hpp"

// The routines for 64-bit ARM, all of which have NEON: the eight tones of a hop side by side.

#if defined(__aarch64__)
#include <arm_neon.h>

#include <algorithm>
#include <cstddef>

namespace ivr {
namespace {
namespace neon {

constexpr int kHop = DtmfSpectra::kHop, kSlots = DtmfSpectra::kSlots, kHalf = DtmfBasis::kHalf;

// Half of the sums and half of the differences of samples as far from the middle of a hop.
struct Folded {
  std::int16_t sum[kHalf], difference[kHalf];
};

int16x8_t reversed(int16x8_t x) {
  const int16x8_t halves = vrev64q_s16(x);
  return vextq_s16(halves, halves, 4);
}

// The squares of two samples at once, cut as the scalar routine cuts them.
uint32x4_t energy_of(int16x8_t x) {
  const int32x4_t squares =
      vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(x)), vmull_s16(vget_high_s16(x), vget_high_s16(x)));
  return vshrq_n_u32(vreinterpretq_u32_s32(squares), 4);
}

// Folds a hop and returns its energy.
std::int32_t fold(const std::int16_t* pcm, Folded& folded) {
  uint32x4_t energy = vdupq_n_u32(0);
  for (int i = 0; i < 16; i += 8) {
    const int16x8_t ahead = vld1q_s16(pcm + kHalf + i), behind = reversed(vld1q_s16(pcm + kHalf - 8 - i));
    const int16x8_t sum = vrhaddq_s16(ahead, behind), difference = vhsubq_s16(ahead, behind);
    vst1q_s16(folded.sum + i, sum);
    vst1q_s16(folded.difference + i, difference);
    energy = vaddq_u32(energy, vaddq_u32(energy_of(sum), energy_of(difference)));
  }
  const int16x4_t ahead = vld1_s16(pcm + kHop - 4), behind = vrev64_s16(vld1_s16(pcm));
  const int16x4_t sum = vrhadd_s16(ahead, behind), difference = vhsub_s16(ahead, behind);
  vst1_s16(folded.sum + 16, sum);
  vst1_s16(folded.difference + 16, difference);
  return static_cast<std::int32_t>(vaddvq_u32(vaddq_u32(energy, energy_of(vcombine_s16(sum, difference)))));
}

int16x8x2_t project(const DtmfBasis& basis, const Folded& folded, int phase) {
  int32x4_t cosine[2] = {vdupq_n_s32(0), vdupq_n_s32(0)}, sine[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
  for (int i = 0; i < kHalf; ++i) {
    const int16x8_t c = vld1q_s16(basis.cosine[i]), s = vld1q_s16(basis.sine[i]);
    cosine[0] = vmlal_n_s16(cosine[0], vget_low_s16(c), folded.sum[i]);
    cosine[1] = vmlal_n_s16(cosine[1], vget_high_s16(c), folded.sum[i]);
    sine[0] = vmlal_n_s16(sine[0], vget_low_s16(s), folded.difference[i]);
    sine[1] = vmlal_n_s16(sine[1], vget_high_s16(s), folded.difference[i]);
  }
  const int16x8x2_t re = vld2q_s16(&basis.turn[phase][0][0][0]), im = vld2q_s16(&basis.turn[phase][1][0][0]);
  int16x4_t turned[2][2];
  for (int half = 0; half < 2; ++half) {
    const auto of = [half](int16x8_t x) { return half == 0 ? vget_low_s16(x) : vget_high_s16(x); };
    const int16x4_t c = vrshrn_n_s32(cosine[half], 16), s = vrshrn_n_s32(sine[half], 16);
    turned[0][half] = vrshrn_n_s32(vmlal_s16(vmull_s16(c, of(re.val[0])), s, of(re.val[1])), 15);
    turned[1][half] = vrshrn_n_s32(vmlal_s16(vmull_s16(c, of(im.val[0])), s, of(im.val[1])), 15);
  }
  return {{vcombine_s16(turned[0][0], turned[0][1]), vcombine_s16(turned[1][0], turned[1][1])}};
}

struct Power {
  int32x4_t rows, columns;
};
Power power_of(int16x8x2_t z) {
  const auto square = [](int16x4_t re, int16x4_t im) { return vmlal_s16(vmull_s16(re, re), im, im); };
  return {square(vget_low_s16(z.val[0]), vget_low_s16(z.val[1])),
          square(vget_high_s16(z.val[0]), vget_high_s16(z.val[1]))};
}

int16x8x2_t load(const DtmfSpectra& spectra, int slot) {
  return vld2q_s16(&spectra.tone[static_cast<std::size_t>(slot & (kSlots - 1))][0].re);
}
int16x8x2_t mean(int16x8x2_t a, int16x8x2_t b) {
  return {{vrhaddq_s16(a.val[0], b.val[0]), vrhaddq_s16(a.val[1], b.val[1])}};
}

// One hop further: which tones are more than a trace.
void note(std::uint32_t* present, uint32x4_t more) {
  vst1q_u32(present, vsubq_u32(vshlq_n_u32(vld1q_u32(present), 1), more));
}

unsigned bits(uint32x4_t mask) {
  static constexpr std::uint32_t kBits[] = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(mask, vld1q_u32(kBits)));
}

DtmfGlance analyse(const DtmfBasis& basis, const std::int16_t* pcm, int hops, int newest, int phase,
                   std::int32_t quiet, DtmfSpectra& spectra) noexcept {
  DtmfGlance glance;
  for (int k = 0; k < hops; ++k, pcm += kHop) {
    const int slot = (newest + 1 + k) & (kSlots - 1);
    Folded folded;
    const std::int32_t energy = fold(pcm, folded);
    spectra.energy[static_cast<std::size_t>(slot)] = energy;
    std::int16_t* const hop = &spectra.tone[static_cast<std::size_t>(slot)][0].re;
    if (energy <= quiet) {
      vst1q_s16(hop, vdupq_n_s16(0));
      vst1q_s16(hop + 8, vdupq_n_s16(0));
      note(&spectra.present[0], vdupq_n_u32(0));
      note(&spectra.present[4], vdupq_n_u32(0));
      continue;
    }
    const int16x8x2_t tones = project(basis, folded, (phase + k) % DtmfBasis::kPeriod);
    vst2q_s16(hop, tones);
    const Power here = power_of(tones);
    const int32x4_t trace = vdupq_n_s32(energy >> kDtmfTrace);
    note(&spectra.present[0], vcgtq_s32(here.rows, trace));
    note(&spectra.present[4], vcgtq_s32(here.columns, trace));

    const Power power = power_of(
        mean(mean(load(spectra, slot - 3), load(spectra, slot - 2)), mean(load(spectra, slot - 1), tones)));
    const std::int32_t row = vmaxvq_s32(power.rows), column = vmaxvq_s32(power.columns);
    std::int32_t energies = 0;
    for (int n = 0; n < kDtmfGlance; ++n)
      energies += std::max(spectra.energy[static_cast<std::size_t>((slot - n) & (kSlots - 1))], 0) >> 2;
    if (static_cast<float>(row + column) < kDtmfGlanceGate * static_cast<float>(energies)) continue;
    glance.look |= 1u << k;
    glance.strongest[static_cast<std::size_t>(k)] =
        static_cast<std::uint8_t>(bits(vceqq_s32(power.rows, vdupq_n_s32(row))) |
                                  bits(vceqq_s32(power.columns, vdupq_n_s32(column))) << 4);
  }
  return glance;
}

}  // namespace neon
}  // namespace

const DtmfRoutines* dtmf_neon() {
  static const DtmfRoutines routines = [] {
    DtmfRoutines made = *DtmfRoutines::find(DtmfKernel::scalar);  // and its G.711
    made.kernel = DtmfKernel::neon;
    made.analyse = neon::analyse;
    return made;
  }();
  return &routines;
}

}  // namespace ivr

#else

namespace ivr {
const DtmfRoutines* dtmf_neon() { return nullptr; }
}  // namespace ivr

#endif
