#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "absl/status/status.h"
#include "core/dtmf_routines.hpp"
#include "core/level.hpp"
#include "core/samples.hpp"
#include "ivr/dtmf.hpp"

namespace ivr {

absl::StatusOr<DtmfGenerator> DtmfGenerator::create(const DtmfTone& tone) {
  const auto refuse = [](const std::string& what) { return absl::InvalidArgumentError("DtmfTone::" + what); };
  const auto ms = [](Millis t) { return std::to_string(t.count()) + " ms"; };
  if (tone.tone < 10ms || tone.tone > 60s)
    return refuse("tone is " + ms(tone.tone) + "; it must be 10 ms to 60 s");
  if (tone.pause < 0ms || tone.pause > 60s)
    return refuse("pause is " + ms(tone.pause) + "; it must be 0 to 60 s");
  if (tone.fade < 0ms || 2 * tone.fade > tone.tone)
    return refuse("fade is " + ms(tone.fade) + "; two of them must fit into the tone of " + ms(tone.tone));
  if (!(std::isfinite(tone.level_dbm0) && std::isfinite(tone.twist_db)) ||
      amplitude_of(tone.level_dbm0) + amplitude_of(tone.level_dbm0 + tone.twist_db) > 32767)
    return refuse("level_dbm0 is " + std::to_string(tone.level_dbm0) + " with a twist_db of " +
                  std::to_string(tone.twist_db) +
                  "; both tones together must stay below full scale (-2.9 dBm0 each)");
  return DtmfGenerator(tone);
}

DtmfGenerator::DtmfGenerator(const DtmfTone& tone)
    : tone_(tone),
      on_(static_cast<int>(samples_of(tone.tone))),
      off_(static_cast<int>(samples_of(tone.pause))),
      edge_(static_cast<int>(samples_of(tone.fade))),
      low_(amplitude_of(tone.level_dbm0)),
      high_(amplitude_of(tone.level_dbm0 + tone.twist_db)) {}

absl::Status DtmfGenerator::dial(std::string_view keys) {
  const auto known = [](char key) {
    return key == 'w' || key == 'W' || kDtmfKeys.find(key) != std::string_view::npos;
  };
  std::vector<char> add;
  for (char key : keys) {
    if (key >= 'a' && key <= 'd') key = static_cast<char>(key - 'a' + 'A');
    if (!known(key))
      return absl::InvalidArgumentError("key '" + std::string(1, key) + "' of '" + std::string(keys) +
                                        "' is none; keys are 0-9 * # A-D, and w or W for a pause");
    add.push_back(key);
  }
  if (done()) {
    queue_.clear();
    next_ = 0;
  }
  queue_.insert(queue_.end(), add.begin(), add.end());
  return absl::OkStatus();
}

std::size_t DtmfGenerator::read(std::span<std::int16_t> out) noexcept {
  std::size_t written = 0;
  while (written < out.size() && next_ < queue_.size()) {
    const char key = queue_[next_];
    const bool wait = key == 'w' || key == 'W';
    const int total = key == 'w' ? kSampleRateHz / 2 : key == 'W' ? kSampleRateHz : on_ + off_;
    const std::size_t place = kDtmfKeys.find(key);
    const double row = wait ? 0 : 2 * std::numbers::pi * kDtmfTonesHz[place / 4] / kSampleRateHz;
    const double column = wait ? 0 : 2 * std::numbers::pi * kDtmfTonesHz[4 + place % 4] / kSampleRateHz;
    for (; at_ < total && written < out.size(); ++at_, ++written) {
      if (wait || at_ >= on_) {
        out[written] = 0;
        continue;
      }
      double gain = 1;
      if (const int edge = std::min(at_, on_ - 1 - at_); edge < edge_)
        gain = 0.5 - 0.5 * std::cos(std::numbers::pi * (edge + 0.5) / edge_);
      out[written] = static_cast<std::int16_t>(
          std::lrint(gain * (low_ * std::sin(row * at_) + high_ * std::sin(column * at_))));
    }
    if (at_ == total) {
      at_ = 0;
      ++next_;
    }
  }
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(written), out.end(), std::int16_t{0});
  return written;
}

}  // namespace ivr
