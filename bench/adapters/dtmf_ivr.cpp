// Our detector behind the neutral interface of harness/dtmf_adapter.h.
#include <cstddef>
#include <vector>
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
  channel.detector.process({pcm, static_cast<std::size_t>(n)}, channel.events);
  for (const ivr::DtmfEvent& event : channel.events)
    report(user, event.digit, event.kind == ivr::DtmfEvent::Kind::began ? 1 : 0);
  channel.events.clear();
}

// What this ends is reported with the next samples.
void lost(void* handle, int n) {
  auto& channel = *static_cast<Channel*>(handle);
  channel.detector.lost(n, channel.events);
}

// A row of channels, a tick of all of them at a time.
struct Batch {
  ivr::DtmfBank bank;
  std::vector<ivr::DtmfDetector> detectors;
  std::vector<ivr::DtmfPiece> pieces;
  std::vector<ivr::DtmfHeard> heard;
};

void* create_batch(int /*sample_rate*/, int channels) {
  auto detector = ivr::DtmfDetector::create();
  if (!detector.ok()) return nullptr;
  auto* batch = new Batch;
  batch->detectors.assign(static_cast<std::size_t>(channels), *detector);
  for (ivr::DtmfDetector& d : batch->detectors) batch->pieces.push_back({.detector = &d});
  batch->heard.reserve(1024);
  return batch;
}

void destroy_batch(void* handle) { delete static_cast<Batch*>(handle); }

int feed_batch(void* handle, const std::int16_t* const* pcm, int n) {
  auto& batch = *static_cast<Batch*>(handle);
  for (std::size_t i = 0; i < batch.pieces.size(); ++i)
    batch.pieces[i].pcm = {pcm[i], static_cast<std::size_t>(n)};
  batch.heard.clear();
  batch.bank.process(batch.pieces, batch.heard);
  return static_cast<int>(batch.heard.size());
}

constexpr dtmf_adapter kAdapter = {DTMF_ADAPTER_ABI, "libivr",      0,         1, create, destroy, feed, lost,
                                   create_batch,     destroy_batch, feed_batch};

}  // namespace

const dtmf_adapter* dtmf_adapter_get() { return &kAdapter; }
