#include "core/dtmf_routines.hpp"

// The routines for x86 with AVX2: a hop's tones side by side, the four hops of 20 ms in turn. Compiled for it
// function by function, chosen when the program runs.

#if defined(__x86_64__)
#include <immintrin.h>

#include <bit>
#include <cstring>

namespace ivr {
namespace {
namespace avx2 {

#define IVR_AVX2 __attribute__((target("avx2")))
#define IVR_AVX2_INLINE __attribute__((target("avx2"), always_inline)) inline

constexpr int kHop = DtmfSpectra::kHop, kSlots = DtmfSpectra::kSlots, kHops = DtmfRoutines::kHops;

// Two hops side by side.
IVR_AVX2_INLINE __m256i two(const std::int16_t* a, const std::int16_t* b) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a))),
                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(b)), 1);
}
IVR_AVX2_INLINE __m128i half(const std::int16_t* a) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(a));
}

// Sums and differences as pairs in turn: the two sums, the two differences, of samples 2j and 2j + 1 from the
// middle.
struct Folded {
  alignas(32) std::int32_t pairs[kHops][DtmfBasis::kHalf];
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

// Four samples of each hop: 0 and 2 in the lower half, 1 and 3 in the upper one.
IVR_AVX2_INLINE __m256i ends(const std::int16_t* pcm) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi64(half(pcm), half(pcm + 2 * kHop))),
                                 _mm_unpacklo_epi64(half(pcm + kHop), half(pcm + 3 * kHop)), 1);
}
// Eight of one hop and of the next.
IVR_AVX2_INLINE void store(const Halves& x, Folded& folded, int hop, int at) {
  const __m256i first = _mm256_unpacklo_epi32(x.sum, x.difference);
  const __m256i second = _mm256_unpackhi_epi32(x.sum, x.difference);
  _mm_store_si128(reinterpret_cast<__m128i*>(folded.pairs[hop] + at), _mm256_castsi256_si128(first));
  _mm_store_si128(reinterpret_cast<__m128i*>(folded.pairs[hop] + at + 4), _mm256_castsi256_si128(second));
  _mm_store_si128(reinterpret_cast<__m128i*>(folded.pairs[hop + 1] + at), _mm256_extracti128_si256(first, 1));
  _mm_store_si128(reinterpret_cast<__m128i*>(folded.pairs[hop + 1] + at + 4),
                  _mm256_extracti128_si256(second, 1));
}

// Folds four hops and returns their energies.
IVR_AVX2_INLINE __m128i fold(const std::int16_t* pcm, Folded& folded) {
  const __m256i reverse = _mm256_setr_epi8(14, 15, 12, 13, 10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1,  //
                                           14, 15, 12, 13, 10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1);
  __m256i energy[2];
  for (int h = 0; h < kHops; h += 2) {
    const std::int16_t *a = pcm + h * kHop, *b = a + kHop;
    const Halves near = halves(two(a + 20, b + 20), _mm256_shuffle_epi8(two(a + 12, b + 12), reverse));
    const Halves far = halves(two(a + 28, b + 28), _mm256_shuffle_epi8(two(a + 4, b + 4), reverse));
    store(near, folded, h, 0);
    store(far, folded, h, 8);
    energy[h / 2] = _mm256_add_epi32(energy_of(near), energy_of(far));
  }
  // The four samples at each end, of all hops at once.
  const __m256i reverse_halves = _mm256_setr_epi8(6, 7, 4, 5, 2, 3, 0, 1, 14, 15, 12, 13, 10, 11, 8, 9,  //
                                                  6, 7, 4, 5, 2, 3, 0, 1, 14, 15, 12, 13, 10, 11, 8, 9);
  const Halves end = halves(ends(pcm + 36), _mm256_shuffle_epi8(ends(pcm), reverse_halves));
  const __m256i first = _mm256_unpacklo_epi32(end.sum, end.difference);   // hops 0 and 1
  const __m256i second = _mm256_unpackhi_epi32(end.sum, end.difference);  // hops 2 and 3
  _mm_store_si128(reinterpret_cast<__m128i*>(folded.pairs[0] + 16), _mm256_castsi256_si128(first));
  _mm_store_si128(reinterpret_cast<__m128i*>(folded.pairs[1] + 16), _mm256_extracti128_si256(first, 1));
  _mm_store_si128(reinterpret_cast<__m128i*>(folded.pairs[2] + 16), _mm256_castsi256_si128(second));
  _mm_store_si128(reinterpret_cast<__m128i*>(folded.pairs[3] + 16), _mm256_extracti128_si256(second, 1));

  const __m256i by_two = _mm256_add_epi32(_mm256_hadd_epi32(energy[0], energy[1]), energy_of(end));
  const __m256i by_one = _mm256_hadd_epi32(by_two, by_two);  // 0 2 0 2, 1 3 1 3
  return _mm_unpacklo_epi32(_mm256_castsi256_si128(by_one), _mm256_extracti128_si256(by_one, 1));
}

IVR_AVX2_INLINE __m256i load(const void* p) { return _mm256_load_si256(static_cast<const __m256i*>(p)); }

// The eight tones of four hops.
IVR_AVX2_INLINE void project(const DtmfBasis& basis, const Folded& folded, int phase, __m256i tones[kHops]) {
  __m256i first[kHops], second[kHops];
  for (int h = 0; h < kHops; ++h) first[h] = second[h] = _mm256_setzero_si256();
#pragma GCC unroll 10
  for (int j = 0; j < DtmfBasis::kHalf / 2; ++j) {
    const __m256i a = load(basis.pairs[j][0]), b = load(basis.pairs[j][1]);
#pragma GCC unroll 4
    for (int h = 0; h < kHops; ++h) {
      long long both;
      std::memcpy(&both, &folded.pairs[h][2 * j], sizeof both);
      const __m256i x = _mm256_set1_epi64x(both);
      first[h] = _mm256_add_epi32(first[h], _mm256_madd_epi16(x, a));
      second[h] = _mm256_add_epi32(second[h], _mm256_madd_epi16(x, b));
    }
  }
  const __m256i round = _mm256_set1_epi32(0x8000), round_turn = _mm256_set1_epi32(0x4000);
#pragma GCC unroll 4
  for (int h = 0; h < kHops; ++h) {
    const __m256i hop = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_add_epi32(first[h], round), 16),
                                           _mm256_srai_epi32(_mm256_add_epi32(second[h], round), 16));
    const auto& turn =
        basis.turn[phase + h < DtmfBasis::kPeriod ? phase + h : phase + h - DtmfBasis::kPeriod];
    const __m256i re = _mm256_add_epi32(_mm256_madd_epi16(hop, load(turn[0])), round_turn);
    const __m256i im = _mm256_add_epi32(_mm256_madd_epi16(hop, load(turn[1])), round_turn);
    tones[h] = _mm256_blend_epi16(_mm256_srli_epi32(re, 15), _mm256_slli_epi32(im, 1), 0xaa);
  }
}

IVR_AVX2_INLINE __m256i larger(__m256i a, __m256i b) {
  return _mm256_max_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
}
IVR_AVX2_INLINE std::uint8_t equal_bits(__m256i a, __m256i b) {
  return static_cast<std::uint8_t>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b))));
}

IVR_AVX2 DtmfGlance analyse(const DtmfBasis& basis, const std::int16_t* pcm, int hops, int newest, int phase,
                            std::int32_t quiet, DtmfSpectra& spectra) noexcept {
  alignas(32) std::int16_t padded[kHops * kHop];
  if (hops < kHops) {
    std::memset(padded, 0, sizeof padded);
    std::memcpy(padded, pcm, static_cast<std::size_t>(hops) * kHop * sizeof *pcm);
    pcm = padded;
  }
  const auto place = [newest](int k) { return static_cast<std::size_t>((newest + 1 + k) & (kSlots - 1)); };

  Folded folded;
  const __m128i energy = fold(pcm, folded);
  alignas(16) std::int32_t energies[3 + kHops];  // those before the first, and the hops'
  _mm_storeu_si128(reinterpret_cast<__m128i*>(energies + 3), energy);
  for (int k = 0; k < hops; ++k) spectra.energy[place(k)] = energies[3 + k];

  const __m128i loud = _mm_cmpgt_epi32(energy, _mm_set1_epi32(quiet));
  const auto loud_bits = static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(loud)));
  if (loud_bits == 0) {
    for (int k = 0; k < hops; ++k)
      _mm256_store_si256(reinterpret_cast<__m256i*>(&spectra.tone[place(k)]), _mm256_setzero_si256());
    return {};
  }

  __m256i tones[kHops];
  project(basis, folded, phase, tones);
  if (loud_bits != 15) {
    alignas(16) std::int32_t mask[kHops];
    _mm_store_si128(reinterpret_cast<__m128i*>(mask), loud);
    for (int k = 0; k < kHops; ++k) tones[k] = _mm256_and_si256(tones[k], _mm256_set1_epi32(mask[k]));
  }
  for (int k = 0; k < hops; ++k)
    _mm256_store_si256(reinterpret_cast<__m256i*>(&spectra.tone[place(k)]), tones[k]);

  // The glance: the mean of four hops, by halves.
  const __m256i bias = _mm256_set1_epi16(static_cast<short>(0x8000));
  __m256i number[3 + kHops];
  for (int k = 0; k < 3; ++k) {
    number[k] = load(&spectra.tone[place(k - 3)]);
    energies[k] = spectra.energy[place(k - 3)];
  }
  for (int k = 0; k < kHops; ++k) number[3 + k] = tones[k];
  for (__m256i& n : number) n = _mm256_xor_si256(n, bias);
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

  __m128i sum = _mm_setzero_si128();
  for (int k = 0; k < kDtmfGlance; ++k) {
    const __m128i e = _mm_loadu_si128(reinterpret_cast<const __m128i*>(energies + k));
    sum = _mm_add_epi32(sum, _mm_srai_epi32(_mm_max_epi32(e, _mm_setzero_si128()), 2));
  }
  const __m128 gate = _mm_mul_ps(_mm_set1_ps(kDtmfGlanceGate), _mm_cvtepi32_ps(sum));
  const auto enough = static_cast<unsigned>(_mm_movemask_ps(_mm_cmpge_ps(_mm_cvtepi32_ps(both), gate)));

  DtmfGlance glance;
  glance.look = enough & loud_bits;
  if (glance.look == 0) return glance;
  glance.strongest = {equal_bits(power[0], _mm256_shuffle_epi32(strongest, 0x00)),
                      equal_bits(power[1], _mm256_shuffle_epi32(strongest, 0x55)),
                      equal_bits(power[2], _mm256_shuffle_epi32(strongest, 0xaa)),
                      equal_bits(power[3], _mm256_shuffle_epi32(strongest, 0xff))};
  return glance;
}

// Sixteen codes at a time. The chord is a power of two, looked up by a shuffle.
IVR_AVX2_INLINE __m256i expand_ulaw(__m256i code) {
  const __m256i plain = _mm256_xor_si256(code, _mm256_set1_epi16(0xff));
  const __m256i chords = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, static_cast<char>(128), 0, 0, 0, 0, 0, 0, 0, 0));
  const __m256i chord = _mm256_and_si256(_mm256_srli_epi16(plain, 4), _mm256_set1_epi16(7));
  // The upper byte of each place is to become 0.
  const __m256i power =
      _mm256_shuffle_epi8(chords, _mm256_or_si256(chord, _mm256_set1_epi16(static_cast<short>(0x8000))));
  const __m256i step = _mm256_and_si256(plain, _mm256_set1_epi16(15));
  const __m256i mantissa =
      _mm256_slli_epi16(_mm256_add_epi16(_mm256_add_epi16(step, step), _mm256_set1_epi16(33)), 2);
  const __m256i magnitude = _mm256_sub_epi16(_mm256_mullo_epi16(mantissa, power), _mm256_set1_epi16(33 * 4));
  const __m256i negative = _mm256_cmpgt_epi16(plain, _mm256_set1_epi16(0x7f));
  return _mm256_sub_epi16(_mm256_xor_si256(magnitude, negative), negative);
}

IVR_AVX2_INLINE __m256i expand_alaw(__m256i code) {
  const __m256i plain = _mm256_xor_si256(code, _mm256_set1_epi16(0x55));
  const __m256i chords =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(1, 1, 2, 4, 8, 16, 32, 64, 0, 0, 0, 0, 0, 0, 0, 0));
  const __m256i chord = _mm256_and_si256(_mm256_srli_epi16(plain, 4), _mm256_set1_epi16(7));
  const __m256i power =
      _mm256_shuffle_epi8(chords, _mm256_or_si256(chord, _mm256_set1_epi16(static_cast<short>(0x8000))));
  const __m256i step = _mm256_and_si256(plain, _mm256_set1_epi16(15));
  const __m256i first_chord = _mm256_cmpeq_epi16(chord, _mm256_setzero_si256());
  const __m256i offset =
      _mm256_add_epi16(_mm256_set1_epi16(33), _mm256_and_si256(first_chord, _mm256_set1_epi16(-32)));
  const __m256i mantissa = _mm256_slli_epi16(_mm256_add_epi16(_mm256_add_epi16(step, step), offset), 3);
  const __m256i magnitude = _mm256_mullo_epi16(mantissa, power);
  const __m256i negative = _mm256_cmpgt_epi16(_mm256_set1_epi16(0x80), plain);
  return _mm256_sub_epi16(_mm256_xor_si256(magnitude, negative), negative);
}

template <__m256i (*kExpand)(__m256i)>
IVR_AVX2 void expand(std::span<const std::uint8_t> bytes, std::int16_t* pcm) noexcept {
  std::size_t i = 0;
  for (; i + 16 <= bytes.size(); i += 16) {
    const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(pcm + i), kExpand(_mm256_cvtepu8_epi16(codes)));
  }
  if (i == bytes.size()) return;
  alignas(32) std::uint8_t rest[16] = {};
  alignas(32) std::int16_t samples[16];
  std::memcpy(rest, bytes.data() + i, bytes.size() - i);
  _mm256_store_si256(reinterpret_cast<__m256i*>(samples),
                     kExpand(_mm256_cvtepu8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(rest)))));
  std::memcpy(pcm + i, samples, (bytes.size() - i) * sizeof *pcm);
}

}  // namespace avx2
}  // namespace

const DtmfRoutines* dtmf_avx2() {
  static const DtmfRoutines routines = {DtmfKernel::avx2, &dtmf_basis(), avx2::analyse,
                                        avx2::expand<avx2::expand_ulaw>, avx2::expand<avx2::expand_alaw>};
  return __builtin_cpu_supports("avx2") ? &routines : nullptr;
}

}  // namespace ivr

#else

namespace ivr {
const DtmfRoutines* dtmf_avx2() { return nullptr; }
}  // namespace ivr

#endif
