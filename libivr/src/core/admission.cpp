#include "ivr/admission.hpp"

#include <algorithm>

namespace ivr {
namespace {

constexpr std::size_t kMaxSources = 65'536;

double seconds(Micros d) { return static_cast<double>(d.count()) / 1e6; }

std::string text(double number) {
  std::string s = std::to_string(number);
  while (s.ends_with('0')) s.pop_back();
  if (s.ends_with('.')) s.pop_back();
  return s;
}

}  // namespace

bool Admission::Bucket::take(double rate, Time now) {
  const double size = std::max(1.0, rate);
  tokens = filled == Time{} ? size : std::min(size, tokens + rate * seconds(now - filled));
  filled = now;
  if (tokens < 1.0) return false;
  tokens -= 1.0;
  return true;
}

bool Admission::Bucket::full(double rate, Time now) const {
  return tokens + rate * seconds(now - filled) >= std::max(1.0, rate);
}

Admission::Source& Admission::source(std::string_view address, Time now) {
  if (sources_.size() >= kMaxSources && !sources_.contains(std::string(address))) {
    if (now < next_sweep_) return sources_[""];
    next_sweep_ = now + 1s;  // a flood must not buy a scan with each packet
    const double rate = limits_.calls_per_second_per_address;
    std::erase_if(sources_,
                  [&](const auto& s) { return s.second.calls == 0 && s.second.bucket.full(rate, now); });
    if (sources_.size() >= kMaxSources) return sources_[""];
  }
  return sources_[std::string(address)];
}

std::optional<Admission::Refusal> Admission::enter(std::string_view address, Time now) {
  if (limits_.calls > 0 && calls_ >= limits_.calls) {
    return Refusal{503, "all " + std::to_string(limits_.calls) + " lines are in use"};
  }
  const bool by_address = limits_.calls_per_address > 0 || limits_.calls_per_second_per_address > 0;
  Source* from = by_address ? &source(address, now) : nullptr;
  if (from != nullptr && limits_.calls_per_address > 0 && from->calls >= limits_.calls_per_address) {
    return Refusal{
        486, std::to_string(limits_.calls_per_address) + " calls from " + std::string(address) + " already"};
  }
  if (from != nullptr && limits_.calls_per_second_per_address > 0 &&
      !from->bucket.take(limits_.calls_per_second_per_address, now)) {
    return Refusal{503, "more than " + text(limits_.calls_per_second_per_address) + " calls a second from " +
                            std::string(address)};
  }
  if (limits_.calls_per_second > 0 && !bucket_.take(limits_.calls_per_second, now)) {
    return Refusal{503, "more than " + text(limits_.calls_per_second) + " calls a second"};
  }
  if (from != nullptr) ++from->calls;
  ++calls_;
  return std::nullopt;
}

void Admission::left(std::string_view address) {
  --calls_;
  if (limits_.calls_per_address <= 0 && limits_.calls_per_second_per_address <= 0) return;
  auto from = sources_.find(std::string(address));
  if (from == sources_.end()) from = sources_.find("");
  if (from == sources_.end()) return;
  --from->second.calls;
  if (from->second.calls <= 0 && limits_.calls_per_second_per_address <= 0) sources_.erase(from);
}

}  // namespace ivr
