// Any bytes as an INVITE: no crash, and what is answered is one whole response that no line of the request
// breaks.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/early_refusal.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ivr::EarlyRefusal refusal({}, "s3cr3t");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view first = text.substr(0, text.find('\n'));
  const std::string_view rest = text.substr(first.size() < text.size() ? first.size() + 1 : text.size());
  (void)refusal.acknowledges(first, rest);
  const auto reply = refusal.refuse(first.substr(0, first.find('\r')), rest, {"192.0.2.1", 5060});
  if (!reply) return 0;
  const std::string_view answer = reply->text;
  if (!answer.starts_with("SIP/2.0 503 ") || reply->port == 0) std::abort();
  if (answer.find("\r\n\r\n") != answer.size() - 4 || answer.find('\0') != answer.npos) std::abort();
  if (answer.size() > size + 256) std::abort();  // nobody makes us send much more than he sent
  return 0;
}
