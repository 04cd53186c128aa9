#pragma once
#include "ivr/ports.hpp"

namespace ivr {

// Media of a library that was built without any: it cannot be started.
class NoMedia : public MediaPort {
 public:
  absl::Status start(const MediaOptions&, std::function<void()>) override {
    return absl::UnimplementedError(
        "this library was built without oRTP (IVR_WITH_ORTP=OFF): bring your own MediaPort");
  }
  absl::StatusOr<Address> open(StreamId, const StreamOptions&) override {
    return absl::FailedPreconditionError("media is not started");
  }
  void set_remote(StreamId, const RemoteMedia&) override {}
  void play(StreamId, PlayId, std::vector<ClipPtr>, int, Millis) override {}
  void stop_play(StreamId, PlayId) override {}
  void send_digits(StreamId, std::string, Millis, Millis) override {}
  void start_record(StreamId, RecordId, const RecordSpec&) override {}
  void stop_record(StreamId, RecordId) override {}
  void detect_voice(StreamId, bool) override {}
  void bridge(StreamId, StreamId, const BridgeOptions&) override {}
  void unbridge(StreamId, StreamId) override {}
  void mute(StreamId, bool) override {}
  void supervise(StreamId, StreamId, Supervision) override {}
  void close(StreamId) override {}
  bool next_event(media::Event&) override { return false; }
  StreamStats stats(StreamId) override { return {}; }
  int open_streams() const override { return 0; }
  void stop() override {}
};

}  // namespace ivr
