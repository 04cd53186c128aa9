// Any bytes as an event log: no crash, and a line that can be read is written and read again the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ivr/call_walk.hpp"
#include "ivr/event_log.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const std::string_view text = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
    const auto read = ivr::parse_log_line(text);
    if (!read.ok()) continue;
    const std::string line = ivr::log_line(read->sequence, read->at, read->event, {}, read->ahead);
    const auto again = ivr::parse_log_line(line);
    if (!again.ok() || again->out != "[]") std::abort();
    if (ivr::log_line(again->sequence, again->at, again->event, {}, again->ahead) != line) std::abort();
    (void)ivr::describe(*read, read->at);
    (void)ivr::recorded_way({&*read, 1});
    for (const ivr::WalkNode& node : ivr::walk({&*read, 1})) (void)ivr::describe(node, read->at);
  }
  return 0;
}
