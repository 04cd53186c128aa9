#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
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

// The codec of one stream, both ways, with the memory that each way has.
//
// Thread:   made and destroyed by control; in between its media thread's.
// Realtime: everything but create() and the destructor.
class StreamCodec {
 public:
  static std::unique_ptr<StreamCodec> create(Codec codec,
                                             const CodecWishes& wishes);  // null: not in this library

  Codec codec() const noexcept { return format_.codec; }
  const CodecWishes& wishes() const noexcept { return wishes_; }
  int clock_hz() const noexcept { return format_.clock_hz; }
  std::uint32_t ticks() const noexcept { return ticks_; }  // of the RTP clock, for a sample at 8 kHz
  // Neither a memory nor another rate: what it sends can be read, and coded anew, in any order.
  bool memoryless() const noexcept { return format_.plain && !wide_; }
  bool plain() const noexcept { return format_.plain; }
  bool wide() const noexcept { return wide_; }

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
  // `audio` at the rate that is coded.
  std::span<const std::int16_t> at_rate(const Audio& audio, AudioBuffer& into) noexcept;
  // Whole frames of a clip, whatever it was made for.
  Audio read_clip(Codec clip, std::span<const std::uint8_t> bytes, AudioBuffer& into) noexcept;

 private:
  static constexpr int kSettled = 50;  // frames of silence

  StreamCodec(const CodecFormat& format, const CodecWishes& wishes) noexcept;

  const CodecFormat& format_;
  const CodecWishes wishes_;
  const std::uint32_t ticks_;
  const bool wide_;
  std::unique_ptr<AudioDecoder> decoder_;
  std::unique_ptr<AudioEncoder> encoder_;
  HalfRate heard_, clip_;
  DoubleRate said_;
  int silent_ = 0;  // frames in a row
  std::array<std::uint8_t, kMaxEncodedFrame> still_{};
  std::size_t still_bytes_ = 0;
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
