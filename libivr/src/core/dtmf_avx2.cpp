#include "core/dtmf_x86.hpp"

// The routines for x86 with AVX2.

#if defined(__x86_64__)

namespace ivr {
namespace {
namespace avx2 {

using namespace x86;

// Two hops side by side.
IVR_AVX2_INLINE __m256i two(const std::int16_t* a, const std::int16_t* b) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load_half(a)), load_half(b), 1);
}

// Eight samples of one hop and of the next.
IVR_AVX2_INLINE void store_eight(const Halves& x, Folded& folded, int hop, int at) {
  const __m256i first = _mm256_unpacklo_epi32(x.sum, x.difference);
  const __m256i second = _mm256_unpackhi_epi32(x.sum, x.difference);
  store_half(folded.pairs[hop] + at, _mm256_castsi256_si128(first));
  store_half(folded.pairs[hop] + at + 4, _mm256_castsi256_si128(second));
  store_half(folded.pairs[hop + 1] + at, _mm256_extracti128_si256(first, 1));
  store_half(folded.pairs[hop + 1] + at + 4, _mm256_extracti128_si256(second, 1));
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
    store_eight(near, folded, h, 0);
    store_eight(far, folded, h, 8);
    energy[h / 2] = _mm256_add_epi32(energy_of(near), energy_of(far));
  }
  const __m256i by_two = _mm256_add_epi32(_mm256_hadd_epi32(energy[0], energy[1]), fold_ends(pcm, folded));
  const __m256i by_one = _mm256_hadd_epi32(by_two, by_two);  // 0 2 0 2, 1 3 1 3
  return _mm_unpacklo_epi32(_mm256_castsi256_si128(by_one), _mm256_extracti128_si256(by_one, 1));
}

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
    const auto& turn = turn_of(basis, phase + h);
    const __m256i re = _mm256_add_epi32(_mm256_madd_epi16(hop, load(turn[0])), round_turn);
    const __m256i im = _mm256_add_epi32(_mm256_madd_epi16(hop, load(turn[1])), round_turn);
    tones[h] = _mm256_blend_epi16(_mm256_srli_epi32(re, 15), _mm256_slli_epi32(im, 1), 0xaa);
  }
}

IVR_X86_ANALYSE(IVR_AVX2)

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
