#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "ivr/ports.hpp"

namespace ivr {

// What a P-Early-Media header says (RFC 5009, 8): may sound pass between two sides before the call is
// answered, and which way. Words nobody knows are skipped; of several directions, one a media line, the first
// is ours, as we have one line.
struct EarlyMediaHeader {
  bool supported = false;  // of an INVITE: the caller's side reads the header
  bool gated = false;      // of an INVITE: a network on the way stops early media that is not allowed
  std::optional<EarlyMedia> direction;
};
EarlyMediaHeader parse_early_media(std::string_view value);

std::string_view to_string(EarlyMedia direction) noexcept;

}  // namespace ivr
