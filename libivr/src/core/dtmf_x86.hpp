#pragma once
#include "core/dtmf_routines.hpp"

// What the routines for AVX2 and for AVX-512 have in common: a hop's tones side by side, the four hops of 20
// ms in turn.

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

// Compiled for the machine function by function: the rest of the program may run on any.
#define IVR_AVX2 __attribute__((target("avx2")))
#define IVR_AVX2_INLINE __attribute__((target("avx2"), always_inline)) inline

namespace ivr::x86 {

constexpr int kHop = DtmfSpectra::kHop, kSlots = DtmfSpectra::kSlots, kHops = DtmfRoutines::kHops;

IVR_AVX2_INLINE __m256i load(const void* p) { return _mm256_load_si256(static_cast<const __m256i*>(p)); }
IVR_AVX2_INLINE __m128i load_half(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
IVR_AVX2_INLINE void store(void* p, __m256i x) { _mm256_store_si256(static_cast<__m256i*>(p), x); }
IVR_AVX2_INLINE void store_half(void* p, __m128i x) { _mm_storeu_si128(static_cast<__m128i*>(p), x); }

// Sums and differences in turn: those of samples 2j and 2j + 1 from the middle of a hop, as pairs.
struct Folded {
  alignas(64) std::int32_t pairs[kHops][DtmfBasis::kHalf];
};

// What samples as far from the middle of a hop make: half of their sum, half of their difference.
struct Halves {
  __m256i sum, difference;
};
IVR_AVX2_INLINE Halves halves(__m256i ahead, __m256i behind) {
  // The machine averages unsigned numbers only, so they are moved by half of the range; and turned over one
  // is less itself.
  const __m256i bias = _mm256_set1_epi16(static_cast<short>(0x8000));
  const __m256i a = _mm256_xor_si256(ahead, bias);
  const __m256i b = _mm256_xor_si256(behind, bias);
  const __m256i c = _mm256_xor_si256(behind, _mm256_set1_epi16(0x7fff));
  return {_mm256_xor_si256(_mm256_avg_epu16(a, b), bias), _mm256_xor_si256(_mm256_avg_epu16(a, c), bias)};
}
IVR_AVX2_INLINE __m256i energy_of(const Halves& h) {
  return _mm256_add_epi32(_mm256_srli_epi32(_mm256_madd_epi16(h.sum, h.sum), 4),
                          _mm256_srli_epi32(_mm256_madd_epi16(h.difference, h.difference), 4));
}

// They are read from memory, where it costs nothing to fill a register with one of them. Left alone, GCC
// takes them out of the registers in which they were made, by two shuffles each.
IVR_AVX2_INLINE void put_down(Folded& folded) { asm("" : "+m"(folded)); }

// Four samples of each hop: 0 and 2 in the lower half, 1 and 3 in the upper one.
IVR_AVX2_INLINE __m256i ends(const std::int16_t* pcm) {
  const auto* p = reinterpret_cast<const long long*>(pcm);
  static_assert(kHop * sizeof *pcm % sizeof *p == 0);
  constexpr std::size_t kNext = kHop * sizeof *pcm / sizeof *p;
  return _mm256_inserti128_si256(
      _mm256_castsi128_si256(
          _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)),
                             _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 2 * kNext)))),
      _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + kNext)),
                         _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 3 * kNext))),
      1);
}

// Folds the four samples at each end of all hops and returns their energies, two parts of each hop: 0 and 2
// in the lower half, 1 and 3 in the upper one.
IVR_AVX2_INLINE __m256i fold_ends(const std::int16_t* pcm, Folded& folded) {
  const __m256i reverse_halves = _mm256_setr_epi8(6, 7, 4, 5, 2, 3, 0, 1, 14, 15, 12, 13, 10, 11, 8, 9,  //
                                                  6, 7, 4, 5, 2, 3, 0, 1, 14, 15, 12, 13, 10, 11, 8, 9);
  const Halves end = halves(ends(pcm + 36), _mm256_shuffle_epi8(ends(pcm), reverse_halves));
  const __m256i first = _mm256_unpacklo_epi32(end.sum, end.difference);   // hops 0 and 1
  const __m256i second = _mm256_unpackhi_epi32(end.sum, end.difference);  // hops 2 and 3
  store_half(folded.pairs[0] + 16, _mm256_castsi256_si128(first));
  store_half(folded.pairs[1] + 16, _mm256_extracti128_si256(first, 1));
  store_half(folded.pairs[2] + 16, _mm256_castsi256_si128(second));
  store_half(folded.pairs[3] + 16, _mm256_extracti128_si256(second, 1));
  return energy_of(end);
}

// One 20 ms under way: what was found of it, and where it goes.
struct Work {
  DtmfSpectra& spectra;
  int newest, hops;
  __m128i energy, loud;  // of each hop: the energy, and all ones if that is not silence
  unsigned loud_bits;
  bool straight;  // the hops lie side by side, and so do the four before

  std::size_t place(int k) const { return static_cast<std::size_t>((newest + 1 + k) & (kSlots - 1)); }
};

// Four hops to read: those after the last of fewer are silence.
struct Padded {
  alignas(64) std::int16_t pcm[kHops * kHop];
};
inline const std::int16_t* four_hops(const std::int16_t* pcm, int hops, Padded& padded) {
  if (hops == kHops) return pcm;
  std::memset(padded.pcm, 0, sizeof padded.pcm);
  std::memcpy(padded.pcm, pcm, static_cast<std::size_t>(hops) * kHop * sizeof *pcm);
  return padded.pcm;
}

// Notes the energies. Returns false if all is silence and there is no more to be done.
IVR_AVX2_INLINE bool begin(Work& work, std::int32_t quiet) {
  DtmfSpectra& spectra = work.spectra;
  work.straight = work.hops == kHops && work.place(0) % kHops == 0;
  if (work.straight) {
    store_half(&spectra.energy[work.place(0)], work.energy);
  } else {
    alignas(16) std::int32_t energies[kHops];
    store_half(energies, work.energy);
    for (int k = 0; k < work.hops; ++k) spectra.energy[work.place(k)] = energies[k];
  }
  work.loud = _mm_cmpgt_epi32(work.energy, _mm_set1_epi32(quiet));
  work.loud_bits = static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(work.loud)));
  if (work.loud_bits != 0) return true;
  for (int k = 0; k < work.hops; ++k) store(&spectra.tone[work.place(k)], _mm256_setzero_si256());
  store(&spectra.present, _mm256_sll_epi32(load(&spectra.present), _mm_cvtsi32_si128(work.hops)));
  return false;
}

// What turns a hop to the common clock.
IVR_AVX2_INLINE const auto& turn_of(const DtmfBasis& basis, int phase) {
  return basis.turn[phase < DtmfBasis::kPeriod ? phase : phase - DtmfBasis::kPeriod];
}

IVR_AVX2_INLINE __m256i larger(__m256i a, __m256i b) {
  return _mm256_max_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
}
IVR_AVX2_INLINE std::uint8_t equal_bits(__m256i a, __m256i b) {
  return static_cast<std::uint8_t>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b))));
}

// Notes the tones, and glances at them.
IVR_AVX2_INLINE DtmfGlance conclude(const Work& work, __m256i tones[kHops]) {
  DtmfSpectra& spectra = work.spectra;
  const __m256i loud = _mm256_broadcastsi128_si256(work.loud);
  tones[0] = _mm256_and_si256(tones[0], _mm256_shuffle_epi32(loud, 0x00));
  tones[1] = _mm256_and_si256(tones[1], _mm256_shuffle_epi32(loud, 0x55));
  tones[2] = _mm256_and_si256(tones[2], _mm256_shuffle_epi32(loud, 0xaa));
  tones[3] = _mm256_and_si256(tones[3], _mm256_shuffle_epi32(loud, 0xff));

  const __m256i trace = _mm256_broadcastsi128_si256(_mm_srai_epi32(work.energy, kDtmfTrace));
  const __m256i traces[] = {_mm256_shuffle_epi32(trace, 0x00), _mm256_shuffle_epi32(trace, 0x55),
                            _mm256_shuffle_epi32(trace, 0xaa), _mm256_shuffle_epi32(trace, 0xff)};
  __m256i present = load(&spectra.present);
#pragma GCC unroll 4
  for (int k = 0; k < kHops; ++k) {
    if (k >= work.hops) break;
    store(&spectra.tone[work.place(k)], tones[k]);
    const __m256i more = _mm256_cmpgt_epi32(_mm256_madd_epi16(tones[k], tones[k]), traces[k]);
    present = _mm256_sub_epi32(_mm256_add_epi32(present, present), more);
  }
  store(&spectra.present, present);

  // The mean of four hops, by halves.
  const __m256i bias = _mm256_set1_epi16(static_cast<short>(0x8000));
  __m256i number[3 + kHops];
  for (int k = 0; k < 3; ++k) number[k] = _mm256_xor_si256(load(&spectra.tone[work.place(k - 3)]), bias);
  for (int k = 0; k < kHops; ++k) number[3 + k] = _mm256_xor_si256(tones[k], bias);
  __m256i means[2 + kHops], power[kHops];
  for (int k = 0; k < 2 + kHops; ++k) means[k] = _mm256_avg_epu16(number[k], number[k + 1]);
  for (int k = 0; k < kHops; ++k) {
    const __m256i mean = _mm256_xor_si256(_mm256_avg_epu16(means[k], means[k + 2]), bias);
    power[k] = _mm256_madd_epi16(mean, mean);
  }

  // The strongest row, in the lower half, and column, in the upper one, of each hop.
  const __m256i first = larger(power[0], power[1]), second = larger(power[2], power[3]);
  const __m256i strongest =
      _mm256_max_epi32(_mm256_unpacklo_epi64(first, second), _mm256_unpackhi_epi64(first, second));
  const __m128i both =
      _mm_add_epi32(_mm256_castsi256_si128(strongest), _mm256_extracti128_si256(strongest, 1));

  // A quarter of the energy of each, and of the three before each.
  const __m128i before = work.straight
                             ? load_half(&spectra.energy[work.place(-4)])
                             : _mm_setr_epi32(0, spectra.energy[work.place(-3)],
                                              spectra.energy[work.place(-2)], spectra.energy[work.place(-1)]);
  const __m128i quarters = _mm_srai_epi32(work.energy, 2);
  const __m128i earlier = _mm_srai_epi32(_mm_max_epi32(before, _mm_setzero_si128()), 2);
  const __m128i sum = _mm_add_epi32(
      _mm_add_epi32(quarters, _mm_alignr_epi8(quarters, earlier, 12)),
      _mm_add_epi32(_mm_alignr_epi8(quarters, earlier, 8), _mm_alignr_epi8(quarters, earlier, 4)));
  const __m128 gate = _mm_mul_ps(_mm_set1_ps(kDtmfGlanceGate), _mm_cvtepi32_ps(sum));
  const auto enough = static_cast<unsigned>(_mm_movemask_ps(_mm_cmpge_ps(_mm_cvtepi32_ps(both), gate)));

  DtmfGlance glance;
  glance.look = enough & work.loud_bits;
  if (glance.look == 0) return glance;
  glance.strongest = {equal_bits(power[0], _mm256_shuffle_epi32(strongest, 0x00)),
                      equal_bits(power[1], _mm256_shuffle_epi32(strongest, 0x55)),
                      equal_bits(power[2], _mm256_shuffle_epi32(strongest, 0xaa)),
                      equal_bits(power[3], _mm256_shuffle_epi32(strongest, 0xff))};
  return glance;
}

// DtmfRoutines::analyse by the fold() and project() of the kernel in which it stands. A macro, because what
// it calls is part of it, and a function of the one machine cannot be part of one of the other.
#define IVR_X86_ANALYSE(TARGET)                                                                    \
  TARGET DtmfGlance analyse(const DtmfBasis& basis, const std::int16_t* pcm, int hops, int newest, \
                            int phase, std::int32_t quiet, DtmfSpectra& spectra) noexcept {        \
    Padded padded;                                                                                 \
    Folded folded;                                                                                 \
    Work work{.spectra = spectra, .newest = newest, .hops = hops};                                 \
    work.energy = fold(four_hops(pcm, hops, padded), folded);                                      \
    if (!begin(work, quiet)) return {};                                                            \
    put_down(folded);                                                                              \
    __m256i tones[kHops];                                                                          \
    project(basis, folded, phase, tones);                                                          \
    return conclude(work, tones);                                                                  \
  }

}  // namespace ivr::x86

#endif
