#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "edge/udp.hpp"
#include "ivr/audio.hpp"
#include "ivr/codec.hpp"

// Audio as the media thread handles it: on the stack, of any length that a datagram may have. What listens
// for keys and voices, records and mixes works at 8 kHz, and so are all times within a stream; where both
// ends can do better, 16 kHz go from one to the other beside it.

namespace ivr {

inline constexpr std::size_t kMostSamples =
    2 * DatagramBatch::kMaxBytes;  // of a datagram: two a byte in G.722

struct Audio {
  std::span<const std::int16_t> narrow;  // 8 kHz
  std::span<const std::int16_t> wide;    // the same at 16 kHz, or nothing
};
struct AudioBuffer {
  std::array<std::int16_t, kMostSamples> narrow;
  std::array<std::int16_t, kMostSamples> wide;
};
using Bytes = std::array<std::uint8_t, DatagramBatch::kMaxBytes>;

// The codec of one stream, both ways, with the memory that each way has. G.711 and L16 at 8 kHz have none
// and cost the stream nothing.
//
// Thread:   made and destroyed by control; in between its media thread's.
// Realtime: everything but create() and the destructor.
class StreamCodec {
 public:
  StreamCodec() noexcept = default;  // G.711 u-law
  static std::optional<StreamCodec> create(Codec codec,
                                           const CodecWishes& wishes);  // nothing: not in this library

  Codec codec() const noexcept { return format_->codec; }
  const CodecWishes& wishes() const noexcept { return wishes_; }
  int clock_hz() const noexcept { return format_->clock_hz; }
  std::uint32_t ticks() const noexcept { return ticks_; }  // of the RTP clock, for a sample at 8 kHz
  // Neither a memory nor another rate: what it sends can be read, and coded anew, in any order.
  bool memoryless() const noexcept { return !coders_; }
  bool plain() const noexcept { return format_->plain; }
  bool wide() const noexcept { return format_->sample_rate_hz != kSampleRateHz; }

  // What came, in its order. Times are samples at 8 kHz.
  int length(std::span<const std::uint8_t> payload) const noexcept;
  Audio decode(std::span<const std::uint8_t> payload, AudioBuffer& into) noexcept;
  // What was lost before `next`: nothing where the codec cannot make it up. `samples` of 10 ms and its
  // multiples.
  Audio conceal(std::span<const std::uint8_t> next, std::size_t samples, AudioBuffer& into) noexcept;

  // What goes. A codec with a memory wants whole frames.
  std::span<const std::uint8_t> encode(const Audio& audio, Bytes& into) noexcept;
  // A frame of it. After a second the last one is sent again where the codec allows it: nothing is coded
  // while nothing is said.
  std::span<const std::uint8_t> silence(Bytes& into) noexcept;
  // Room for a frame that is being filled, of a codec that is not plain.
  std::span<std::int16_t> frame() noexcept {
    return std::span(coders_->frame).first(wide() ? 2 * kFrameSamples : kFrameSamples);
  }
  // `audio` at the rate that is coded.
  std::span<const std::int16_t> at_rate(const Audio& audio, AudioBuffer& into) noexcept;

 private:
  static constexpr int kSettled = 50;  // frames of silence

  struct Coders {
    std::unique_ptr<AudioDecoder> decoder;
    std::unique_ptr<AudioEncoder> encoder;
    HalfRate heard;
    DoubleRate said;
    int silent = 0;  // frames in a row
    std::array<std::uint8_t, kMaxEncodedFrame> still{};
    std::size_t still_bytes = 0;
    std::array<std::int16_t, 2 * kFrameSamples> frame{};
  };

  const CodecFormat* format_ = &format_of(Codec::pcmu);
  CodecWishes wishes_;
  std::uint32_t ticks_ = 1;
  std::unique_ptr<Coders> coders_;  // null: memoryless
};

// RTP timestamps of any clock as samples at 8 kHz, without a seam where 32 bits end.
class TimestampScale {
 public:
  void set_ticks(std::uint32_t ticks) noexcept {
    if (ticks != ticks_) *this = {}, ticks_ = ticks;
  }
  std::uint32_t operator()(std::uint32_t timestamp) noexcept {
    if (!begun_) begun_ = true, at_ = kStart + timestamp, last_ = timestamp;
    at_ += static_cast<std::int32_t>(timestamp - last_);
    last_ = timestamp;
    return static_cast<std::uint32_t>(at_ / ticks_);
  }

 private:
  static constexpr std::int64_t kStart = std::int64_t{1} << 50;  // it may run backwards, too
  bool begun_ = false;
  std::uint32_t last_ = 0;
  std::int64_t at_ = 0, ticks_ = 1;
};

}  // namespace ivr
