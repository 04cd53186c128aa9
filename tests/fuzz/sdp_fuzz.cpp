// Any bytes as an offer, as an answer, and as a later offer: no crash, and what we write we can read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ivr/sdp.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ivr::NegotiatorOptions options{.local = {"127.0.0.1", 10000}, .codecs = {}, .comfort_noise = true};
  for (const auto& format : ivr::kCodecFormats) options.codecs.push_back(format.codec);
  auto leg = *ivr::MediaNegotiator::create(options);
  const auto first = leg.answer(text);
  if (first.ok()) {
    if (!ivr::SessionDescription::parse(first->sdp).ok()) std::abort();
    if (leg.answer(text)->sdp != first->sdp) std::abort();  // the same offer again changes nothing
    if (!ivr::SessionDescription::parse(leg.offer()).ok()) std::abort();
  } else {
    leg.offer();
  }
  (void)leg.accept(text);
  const auto parsed = ivr::SessionDescription::parse(text);
  if (parsed.ok()) {
    const auto written = parsed->to_string();
    const auto again = ivr::SessionDescription::parse(written);
    if (written.size() <= 65536 && (!again.ok() || again->to_string() != written)) std::abort();
  }
  return 0;
}
