#include "ivr/dtmf.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "abi/guard.hpp"

namespace {

using ivr::Millis;
using ivr::abi::guarded;
using ivr::abi::null_argument;
using ivr::abi::read_struct;
using ivr::abi::report;

// Sizes at the first release; a struct that grows keeps its number here.
constexpr std::size_t kDetectorOptionsLeast = sizeof(ivr_dtmf_detector_options);
constexpr std::size_t kGeneratorOptionsLeast = sizeof(ivr_dtmf_generator_options);
constexpr std::size_t kEventLeast = sizeof(ivr_dtmf_event);

constexpr std::size_t kEventsASecond = 400;  // the detector's promise: at most two in 5 ms

}  // namespace

struct ivr_dtmf_detector {
  explicit ivr_dtmf_detector(ivr::DtmfDetector made) : detector(std::move(made)) {
    events.reserve(kEventsASecond);
  }

  // Forgets what was pulled, so that the events kept never move the capacity.
  void tidy() noexcept {
    events.erase(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(pulled));
    pulled = 0;
  }

  ivr::DtmfDetector detector;
  ivr::DtmfEvents events;
  std::size_t pulled = 0;
};

struct ivr_dtmf_generator {
  ivr::DtmfGenerator generator;
};

ivr_status ivr_dtmf_detector_create(ivr_dtmf_detector** detector, const ivr_dtmf_detector_options* options) {
  if (detector == nullptr) return null_argument("detector");
  *detector = nullptr;
  return guarded([&] {
    ivr_dtmf_detector_options given = IVR_DTMF_DETECTOR_OPTIONS_INIT;
    const ivr_status read = read_struct(given, options, kDetectorOptionsLeast, "ivr_dtmf_detector_options");
    if (read != IVR_OK) return read;
    auto made = ivr::DtmfDetector::create({.floor_dbm0 = given.floor_dbm0,
                                           .max_low_over_high_db = given.max_low_over_high_db,
                                           .max_high_over_low_db = given.max_high_over_low_db});
    if (!made.ok()) return report(made.status());
    *detector = std::make_unique<ivr_dtmf_detector>(*std::move(made)).release();
    return IVR_OK;
  });
}

void ivr_dtmf_detector_free(ivr_dtmf_detector* detector) { delete detector; }

ivr_status ivr_dtmf_detector_process(ivr_dtmf_detector* detector, const int16_t* pcm, size_t count) {
  if (detector == nullptr) return null_argument("detector");
  if (pcm == nullptr && count > 0) return null_argument("pcm");
  return guarded([&] {
    detector->tidy();
    if (count > 0) detector->detector.process({pcm, count}, detector->events);
    return IVR_OK;
  });
}

ivr_status ivr_dtmf_detector_lost(ivr_dtmf_detector* detector, size_t count) {
  if (detector == nullptr) return null_argument("detector");
  if (count > ivr::kSampleRateHz * std::size_t{3600}) {
    return report(IVR_EINVALID, "count is over an hour of samples (28800000): create a new detector instead");
  }
  return guarded([&] {
    detector->tidy();
    detector->detector.lost(static_cast<int>(count), detector->events);
    return IVR_OK;
  });
}

ivr_status ivr_dtmf_detector_finish(ivr_dtmf_detector* detector) {
  if (detector == nullptr) return null_argument("detector");
  return guarded([&] {
    detector->tidy();
    detector->detector.finish(detector->events);
    return IVR_OK;
  });
}

ivr_status ivr_dtmf_detector_next_event(ivr_dtmf_detector* detector, ivr_dtmf_event* event) {
  if (detector == nullptr) return null_argument("detector");
  if (event == nullptr) return null_argument("event");
  if (detector->pulled == detector->events.size()) return report(IVR_ENOTFOUND, "no event waits");
  const ivr::DtmfEvent& next = detector->events[detector->pulled];
  const ivr_dtmf_event given = {sizeof(ivr_dtmf_event),
                                next.kind == ivr::DtmfEvent::Kind::began ? IVR_DTMF_BEGAN : IVR_DTMF_ENDED,
                                next.digit,
                                next.onset,
                                next.length,
                                next.low_dbm0,
                                next.high_dbm0};
  const ivr_status written = ivr::abi::write_struct(event, given, kEventLeast, "ivr_dtmf_event");
  if (written == IVR_OK) ++detector->pulled;
  return written;
}

ivr_status ivr_dtmf_generator_create(ivr_dtmf_generator** generator,
                                     const ivr_dtmf_generator_options* options) {
  if (generator == nullptr) return null_argument("generator");
  *generator = nullptr;
  return guarded([&] {
    ivr_dtmf_generator_options given = IVR_DTMF_GENERATOR_OPTIONS_INIT;
    const ivr_status read = read_struct(given, options, kGeneratorOptionsLeast, "ivr_dtmf_generator_options");
    if (read != IVR_OK) return read;
    auto made = ivr::DtmfGenerator::create({.tone = Millis(given.tone_ms),
                                            .pause = Millis(given.pause_ms),
                                            .level_dbm0 = given.level_dbm0,
                                            .twist_db = given.twist_db});
    if (!made.ok()) return report(made.status());
    *generator = std::make_unique<ivr_dtmf_generator>(ivr_dtmf_generator{*std::move(made)}).release();
    return IVR_OK;
  });
}

void ivr_dtmf_generator_free(ivr_dtmf_generator* generator) { delete generator; }

ivr_status ivr_dtmf_generator_dial(ivr_dtmf_generator* generator, const char* keys) {
  if (generator == nullptr) return null_argument("generator");
  if (keys == nullptr) return null_argument("keys");
  return guarded([&] { return generator->generator.dial(keys); });
}

ivr_status ivr_dtmf_generator_read(ivr_dtmf_generator* generator, int16_t* pcm, size_t count,
                                   size_t* played) {
  if (played != nullptr) *played = 0;
  if (generator == nullptr) return null_argument("generator");
  if (pcm == nullptr && count > 0) return null_argument("pcm");
  const std::size_t filled = count > 0 ? generator->generator.read({pcm, count}) : 0;
  if (played != nullptr) *played = filled;
  return IVR_OK;
}
