// GCC 12 takes what its own header leaves undefined on purpose for a mistake of ours (its bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "core/dtmf_x86.hpp"

// The routines for x86 with AVX-512 and its instruction that multiplies pairs and adds them to a sum (VNNI).

#if defined(__x86_64__)

namespace ivr {
namespace {
namespace avx512 {

using namespace x86;

#define IVR_AVX512_TARGET "avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"
#define IVR_AVX512 __attribute__((target(IVR_AVX512_TARGET)))
#define IVR_AVX512_INLINE __attribute__((target(IVR_AVX512_TARGET), always_inline)) inline

// Eight samples of each hop.
IVR_AVX512_INLINE __m512i eights(const std::int16_t* pcm) {
  const __m256i even = _mm256_castsi128_si256(load_half(pcm));
  const __m256i odd = _mm256_castsi128_si256(load_half(pcm + 2 * kHop));
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_inserti128_si256(even, load_half(pcm + kHop), 1)),
                            _mm256_inserti128_si256(odd, load_half(pcm + 3 * kHop), 1), 1);
}

// Folds eight samples of each hop with the eight as far on the other side, and adds to the energies.
IVR_AVX512_INLINE void fold_eights(const std::int16_t* ahead, const std::int16_t* behind, Folded& folded,
                                   int at, __m512i& energy) {
  const __m512i reverse =
      _mm512_broadcast_i32x4(_mm_setr_epi8(14, 15, 12, 13, 10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1));
  const __m512i bias = _mm512_set1_epi16(static_cast<short>(0x8000));
  const __m512i a = _mm512_xor_si512(eights(ahead), bias);
  const __m512i raw = _mm512_shuffle_epi8(eights(behind), reverse);
  const __m512i b = _mm512_xor_si512(raw, bias), c = _mm512_xor_si512(raw, _mm512_set1_epi16(0x7fff));
  const __m512i sum = _mm512_xor_si512(_mm512_avg_epu16(a, b), bias);
  const __m512i difference = _mm512_xor_si512(_mm512_avg_epu16(a, c), bias);
  const __m512i first = _mm512_unpacklo_epi32(sum, difference),
                second = _mm512_unpackhi_epi32(sum, difference);
  store_half(folded.pairs[0] + at, _mm512_castsi512_si128(first));
  store_half(folded.pairs[0] + at + 4, _mm512_castsi512_si128(second));
  store_half(folded.pairs[1] + at, _mm512_extracti32x4_epi32(first, 1));
  store_half(folded.pairs[1] + at + 4, _mm512_extracti32x4_epi32(second, 1));
  store_half(folded.pairs[2] + at, _mm512_extracti32x4_epi32(first, 2));
  store_half(folded.pairs[2] + at + 4, _mm512_extracti32x4_epi32(second, 2));
  store_half(folded.pairs[3] + at, _mm512_extracti32x4_epi32(first, 3));
  store_half(folded.pairs[3] + at + 4, _mm512_extracti32x4_epi32(second, 3));
  energy = _mm512_add_epi32(energy, _mm512_srli_epi32(_mm512_madd_epi16(sum, sum), 4));
  energy = _mm512_add_epi32(energy, _mm512_srli_epi32(_mm512_madd_epi16(difference, difference), 4));
}

// Folds four hops and returns their energies.
IVR_AVX512_INLINE __m128i fold(const std::int16_t* pcm, Folded& folded) {
  __m512i energy = _mm512_setzero_si512();
  fold_eights(pcm + 20, pcm + 12, folded, 0, energy);
  fold_eights(pcm + 28, pcm + 4, folded, 8, energy);
  const __m256i by_four =
      _mm256_hadd_epi32(_mm512_castsi512_si256(energy), _mm512_extracti64x4_epi64(energy, 1));
  const __m256i by_two = _mm256_add_epi32(by_four, fold_ends(pcm, folded));
  const __m256i by_one = _mm256_hadd_epi32(by_two, by_two);  // 0 2 0 2, 1 3 1 3
  return _mm_unpacklo_epi32(_mm256_castsi256_si128(by_one), _mm256_extracti128_si256(by_one, 1));
}

// The eight tones of four hops.
IVR_AVX512_INLINE void project(const DtmfBasis& basis, const Folded& folded, int phase,
                               __m256i tones[kHops]) {
  __m512i even[kHops], odd[kHops];  // two sums of each, so that none waits for the one before
  for (int h = 0; h < kHops; ++h) {
    even[h] = _mm512_set1_epi32(0x8000);
    odd[h] = _mm512_setzero_si512();
  }
#pragma GCC unroll 10
  for (int j = 0; j < DtmfBasis::kHalf / 2; ++j) {
    const __m512i row = _mm512_load_si512(basis.pairs[j]);
#pragma GCC unroll 4
    for (int h = 0; h < kHops; ++h) {
      long long both;
      std::memcpy(&both, &folded.pairs[h][2 * j], sizeof both);
      __m512i& sum = j % 2 == 0 ? even[h] : odd[h];
      sum = _mm512_dpwssd_epi32(sum, _mm512_set1_epi64(both), row);
    }
  }
  // Two hops at a time into 16 bits, and the tones into their order.
  const __m512i order = _mm512_setr_epi64(0, 4, 2, 6, 1, 5, 3, 7);
  const __m256i round = _mm256_set1_epi32(0x4000);
#pragma GCC unroll 2
  for (int h = 0; h < kHops; h += 2) {
    const __m512i a = _mm512_srai_epi32(_mm512_add_epi32(even[h], odd[h]), 16);
    const __m512i b = _mm512_srai_epi32(_mm512_add_epi32(even[h + 1], odd[h + 1]), 16);
    const __m512i hops = _mm512_permutexvar_epi64(order, _mm512_packs_epi32(a, b));
    const __m256i hop[] = {_mm512_castsi512_si256(hops), _mm512_extracti64x4_epi64(hops, 1)};
#pragma GCC unroll 2
    for (int k = 0; k < 2; ++k) {
      const auto& turn = turn_of(basis, phase + h + k);
      const __m256i re = _mm256_dpwssd_epi32(round, hop[k], load(turn[0]));
      const __m256i im = _mm256_dpwssd_epi32(round, hop[k], load(turn[1]));
      tones[h + k] = _mm256_blend_epi16(_mm256_srli_epi32(re, 15), _mm256_slli_epi32(im, 1), 0xaa);
    }
  }
}

IVR_X86_ANALYSE(IVR_AVX512)

}  // namespace avx512
}  // namespace

const DtmfRoutines* dtmf_avx512() {
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl") ||
      !__builtin_cpu_supports("avx512vnni") || dtmf_avx2() == nullptr)
    return nullptr;
  static const DtmfRoutines routines = {DtmfKernel::avx512, &dtmf_basis(), avx512::analyse,
                                        dtmf_avx2()->from_ulaw, dtmf_avx2()->from_alaw};
  return &routines;
}

}  // namespace ivr

#else

namespace ivr {
const DtmfRoutines* dtmf_avx512() { return nullptr; }
}  // namespace ivr

#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
