// Our detector behind the neutral interface of harness/dtmf_adapter.h.
#include "../harness/dtmf_adapter.h"
#include "ivr/dtmf.hpp"

namespace {

struct Channel {
  ivr::DtmfDetector detector;
  ivr::DtmfEvents events;
};

void* create(int /*sample_rate*/) {
  auto detector = ivr::DtmfDetector::create();
  if (!detector.ok()) return nullptr;
  auto* channel = new Channel{*std::move(detector), {}};
  channel->events.reserve(64);
  return channel;
}

void destroy(void* handle) { delete static_cast<Channel*>(handle); }

void feed(void* handle, const std::int16_t* pcm, int n, dtmf_event_fn report, void* user) {
  auto& channel = *static_cast<Channel*>(handle);
  channel.events.clear();
  channel.detector.process({pcm, static_cast<std::size_t>(n)}, channel.events);
  for (const ivr::DtmfEvent& event : channel.events)
    report(user, event.digit, event.kind == ivr::DtmfEvent::Kind::began ? 1 : 0);
}

constexpr dtmf_adapter kAdapter = {DTMF_ADAPTER_ABI, "libivr", 0,       1,      create, destroy, feed,
                                   nullptr,          nullptr,  nullptr, nullptr};

}  // namespace

const dtmf_adapter* dtmf_adapter_get() { return &kAdapter; }
