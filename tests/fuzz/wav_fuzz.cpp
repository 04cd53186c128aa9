// Any bytes as a file: no crash, and what could be read can be written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "ivr/wav.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto pcm = ivr::parse_wav({data, size});
  if (!pcm.ok()) return 0;
  const auto again = ivr::parse_wav(ivr::write_wav(*pcm));
  if (!again.ok() || again->samples != pcm->samples || again->sample_rate_hz != pcm->sample_rate_hz)
    std::abort();
  return 0;
}
