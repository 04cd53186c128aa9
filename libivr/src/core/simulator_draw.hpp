#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#include "ivr/simulator.hpp"

// Chance that comes out the same everywhere: integers, and of floating point only what IEEE 754 fixes to the
// last bit. The library's distributions and its log() and exp() are not: they differ between machines.

namespace ivr::simulation {

__extension__ typedef unsigned __int128 Wide;

constexpr std::uint64_t mix(std::uint64_t z) {  // SplitMix64
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
constexpr std::uint64_t seed_of(std::uint64_t seed, std::uint64_t a, std::uint64_t b) {
  return mix(mix(mix(seed + 0x9e3779b97f4a7c15u) + a + 0x9e3779b97f4a7c15u) + b + 0x9e3779b97f4a7c15u);
}

// Of the lines of a log. Not for keeping anything safe.
inline std::uint64_t hash_of(std::string_view text, std::uint64_t hash) {
  constexpr std::uint64_t kOdd = 0x9ddfea08eb382d69u;
  const auto word = [](const char* at, std::size_t bytes) {  // little-endian, whatever the machine is
    std::uint64_t w = 0;
    for (std::size_t i = 0; i < bytes; ++i)
      w |= static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])) << (8 * i);
    return w;
  };
  const auto stir = [&](std::uint64_t w) {
    hash = (hash ^ w) * kOdd;
    hash ^= hash >> 29;
  };
  const char* at = text.data();
  std::size_t left = text.size();
  for (; left >= 8; at += 8, left -= 8) stir(word(at, 8));
  stir(word(at, left) | static_cast<std::uint64_t>(text.size()) << 56);
  return hash;
}

// Square roots of two, over and over: 2^(1/2), 2^(1/4), ... as fractions of 2^62.
constexpr std::array<std::uint64_t, 32> make_roots() {
  std::array<std::uint64_t, 32> roots{};
  Wide of = Wide(1) << 63;  // 2.0
  for (std::uint64_t& root : roots) {
    const Wide square = of << 62;
    std::uint64_t r = 0;
    for (int bit = 62; bit >= 0; --bit) {
      const std::uint64_t more = r | std::uint64_t{1} << bit;
      if (Wide(more) * more <= square) r = more;
    }
    root = r;
    of = r;
  }
  return roots;
}
inline constexpr std::array<std::uint64_t, 32> kRoots = make_roots();

class Draw {
 public:
  Draw() = default;
  explicit Draw(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() { return mix(state_ += 0x9e3779b97f4a7c15u); }
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(((bits() >> 32) * n) >> 32); }
  bool chance(double p) {  // 2^32 is a power of two: the product is exact
    return static_cast<double>(bits() >> 32) < p * 4294967296.0;
  }
  // -ln(u) as a fraction of 2^32: exponential of mean 1.
  std::uint64_t exponential() {
    const std::uint64_t u = bits() | 1;
    const int zeros = std::countl_zero(u);
    std::uint64_t x = (u << zeros) >> 32;  // from 1 to 2, as a fraction of 2^31
    std::uint64_t log2 = 0;                // of x, as a fraction of 2^32
    for (int bit = 31; bit >= 0; --bit) {
      x = (x * x) >> 31;
      if (x >= std::uint64_t{1} << 32) {
        log2 |= std::uint64_t{1} << bit;
        x >>= 1;
      }
    }
    const std::uint64_t minus = (static_cast<std::uint64_t>(zeros + 1) << 32) - log2;
    constexpr std::uint64_t kLn2 = 0xb17217f7;  // as a fraction of 2^32
    return static_cast<std::uint64_t>((Wide(minus) * kLn2) >> 32);
  }
  Micros take(const Spread& spread) {
    const auto micros = [](Millis t) { return static_cast<std::uint64_t>(Micros(t).count()); };
    const auto scaled = [](std::uint64_t by, std::uint64_t of) {
      return Micros(static_cast<std::int64_t>(std::min<Wide>((Wide(by) * of) >> 32, kLongest)));
    };
    switch (spread.kind) {
      case Spread::Kind::fixed: return spread.a;
      case Spread::Kind::uniform: return Micros(spread.a) + scaled(bits() >> 32, micros(spread.b - spread.a));
      case Spread::Kind::exponential: return scaled(exponential(), micros(spread.a));
      case Spread::Kind::lognormal: return scaled(power(spread.sigma), micros(spread.a));
      case Spread::Kind::values:
        if (spread.values.empty()) return Micros{0};
        return spread.values[below(static_cast<std::uint32_t>(spread.values.size()))];
    }
    return Micros{0};
  }

 private:
  static constexpr std::uint64_t kLongest = 366ull * 24 * 3600 * 1'000'000;

  // e^(sigma z) as a fraction of 2^32, z normal: the sum of twelve uniform numbers.
  std::uint64_t power(double sigma) {
    std::int64_t z = -(std::int64_t{6} << 32);
    for (int i = 0; i < 6; ++i) {
      const std::uint64_t two = bits();
      z += static_cast<std::int64_t>(two >> 32) + static_cast<std::int64_t>(two & 0xffffffffu);
    }
    const double in_twos = sigma * 1.4426950408889634;  // log2(e)
    const auto factor = static_cast<std::int64_t>(in_twos * 65536.0);
    const std::int64_t x = (z >> 12) * factor >> 4;  // as a fraction of 2^32; |z| < 6, factor < 6: it fits
    const std::int64_t whole = x >> 32;
    const auto fraction = static_cast<std::uint32_t>(x);
    std::uint64_t y = std::uint64_t{1} << 62;
    for (std::size_t i = 0; i < 32; ++i) {
      if ((fraction >> (31 - i) & 1) != 0) y = static_cast<std::uint64_t>((Wide(y) * kRoots[i]) >> 62);
    }
    const std::int64_t shift = 30 - whole;  // to a fraction of 2^32
    if (shift >= 63) return 0;
    return shift >= 0 ? y >> shift
                      : static_cast<std::uint64_t>(std::min<Wide>(Wide(y) << -shift, ~0ull >> 1));
  }

  std::uint64_t state_ = 0;
};

}  // namespace ivr::simulation
