#include "ivr/comfort_noise.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace ivr {
namespace {

std::vector<std::int16_t> noise_of(std::vector<std::uint8_t> payload, std::size_t samples = 16000) {
  ComfortNoise noise;
  noise.update(payload);
  std::vector<std::int16_t> pcm(samples);
  for (std::size_t at = 0; at < samples; at += 160) noise.read(std::span(pcm).subspan(at, 160));
  return pcm;
}

double power(std::span<const std::int16_t> pcm) {
  double sum = 0;
  for (const std::int16_t x : pcm) sum += static_cast<double>(x) * x;
  return sum / static_cast<double>(pcm.size());
}
double dbov(std::span<const std::int16_t> pcm) { return 10 * std::log10(power(pcm) / (32768.0 * 32768.0)); }
double next_to_next(std::span<const std::int16_t> pcm) {  // the first coefficient of its autocorrelation
  double sum = 0;
  for (std::size_t i = 1; i < pcm.size(); ++i) sum += static_cast<double>(pcm[i]) * pcm[i - 1];
  return sum / static_cast<double>(pcm.size()) / power(pcm);
}

TEST(ComfortNoise, IsAsLoudAsItIsTold) {
  for (const int level : {20, 30, 40, 50, 60, 65}) {
    EXPECT_NEAR(dbov(noise_of({static_cast<std::uint8_t>(level)})), -level, 0.6) << level;
  }
}

TEST(ComfortNoise, IsSilenceUntilItIsToldAndAt127) {
  ComfortNoise untold;
  std::vector<std::int16_t> pcm(160, 1);
  untold.read(pcm);
  EXPECT_EQ(pcm, std::vector<std::int16_t>(160));
  EXPECT_EQ(noise_of({127}, 160), std::vector<std::int16_t>(160));
}

TEST(ComfortNoise, RFC3389_TheUpperBitOfTheLevelIsNotRead) {
  EXPECT_NEAR(dbov(noise_of({0x80 | 40})), -40, 0.6);
}

TEST(ComfortNoise, RFC3389_CoefficientsGiveItColourAndNotLoudness) {
  // One reflection coefficient k makes the next sample -k of this one.
  const struct {
    std::uint8_t code;
    double next;
  } kCases[] = {{127, 0}, {127 - 64, 0.5}, {127 + 64, -0.5}, {127 - 100, 0.787}};
  for (const auto& c : kCases) {
    const auto pcm = noise_of({30, c.code}, 160000);
    EXPECT_NEAR(dbov(pcm), -30, 0.8) << int{c.code};
    EXPECT_NEAR(next_to_next(pcm), c.next, 0.03) << int{c.code};
  }
}

TEST(ComfortNoise, AnyBytesWillDoAndNoneChangeNothing) {
  std::vector<std::uint8_t> worst(200, 0);
  for (const std::uint8_t fill : {0, 1, 127, 128, 254, 255}) {
    std::fill(worst.begin() + 1, worst.end(), fill);
    const auto pcm = noise_of(worst);
    EXPECT_LT(std::fabs(pcm.back()), 32769);
  }
  ComfortNoise noise;
  noise.update(std::vector<std::uint8_t>{33});
  noise.update({});
  EXPECT_EQ(noise.level_dbov(), -33);
}

TEST(ComfortNoise, ALevelIsWrittenAsItIsRead) {
  for (const int level : {0, -1, -64, -127}) {
    ComfortNoise noise;
    noise.update(write_comfort_noise(level));
    EXPECT_EQ(noise.level_dbov(), level);
  }
  EXPECT_EQ(write_comfort_noise(5)[0], 0);
  EXPECT_EQ(write_comfort_noise(-500)[0], 127);
}

}  // namespace
}  // namespace ivr
