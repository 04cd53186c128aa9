#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "edge/clock.hpp"
#include "edge/udp.hpp"
#include "engine/mailbox.hpp"
#include "engine/media_sorter.hpp"

namespace ivr {

class MediaStream;

// The port pair that the streams of a media thread share. What comes is read in batches and given to the
// stream that it is of (SourceSorter says which); RTP that they send leaves together.
//
// A stream that was opened on the port of one thread and is in another, its bridge's, is a guest there: its
// packets are handed on from port to port. None is lost on the way: while the stream is between two threads
// its own port keeps them, and so does the other while the stream is still to come.
//
// Thread:   its media thread's, but for pair(), rouse and numbers(). What a stream hears of a packet it may
//           tell its host.
// Realtime: bounded, never allocates; receive() is a system call for kBatch packets, send() for 256.
class SharedPort {
 public:
  static constexpr int kBatch = 64;

  // `guests`: other threads have ports, too. `rouse` is called by their threads: something was handed on.
  SharedPort(PortRange::Pair pair, const SteadyClock& clock, bool guests, std::function<void()> rouse);

  const PortRange::Pair& pair() const noexcept { return pair_; }
  bool owns(const MediaStream& stream) const noexcept;

  void receive() noexcept;       // what waits, or a good deal of it
  void receive_rtcp() noexcept;  // a batch and no more: whoever floods RTCP is read the next time
  // To guests here, from their ports. Before a guest leaves all of its own has to be taken.
  void take_forwarded() noexcept;
  bool was_handed_something() const noexcept { return forwarded_ && forwarded_->size() > 0; }
  void send() noexcept { outbox_.flush(); }

  // A stream comes into this thread, or leaves it; its own or a guest.
  void attach(MediaStream& stream) noexcept;
  void detach(MediaStream& stream) noexcept;
  // Of streams of this port, wherever they are:
  void announce(MediaStream& stream, const SourceGuard::Negotiated& address,
                const SourceSorter::Types& types) noexcept;
  void hold(MediaStream& stream) noexcept;                   // keep what comes: it leaves where it is a guest
  void route(MediaStream& stream, SharedPort& to) noexcept;  // it has gone there
  void forget(MediaStream& stream) noexcept;

  struct Numbers {
    std::atomic<std::uint64_t> received{0}, strangers{0}, late{0}, unsent{0}, unread{0};
  };
  const Numbers& numbers() const noexcept { return numbers_; }  // any thread
  void note_numbers() noexcept;

 private:
  // What came on the port of one thread for a stream that is in another.
  struct Forwarded {
    MediaStream* stream = nullptr;
    Endpoint from;
    Time at{};
    bool rtcp = false, cut = false;
    std::uint16_t size = 0;
    std::array<std::uint8_t, DatagramBatch::kMaxBytes> bytes;

    Forwarded() {}  // the bytes are nothing until there are some
    Forwarded(const Forwarded& other) noexcept { *this = other; }
    Forwarded& operator=(const Forwarded& other) noexcept;
  };
  static constexpr int kMostAtOnce = 4096;  // packets until something else has its turn
  static constexpr std::size_t kForwarded = 256, kHeld = 64;

  void give(SourceSorter::Line& line, int index, bool rtcp, Time at) noexcept;
  void hand_on(SourceSorter::Line& line, int index, bool rtcp, Time at) noexcept;
  bool forward(Forwarded&& packet) noexcept;  // by another thread; false: no room
  static void take(const Forwarded& packet) noexcept;

  const PortRange::Pair pair_;
  const SteadyClock& clock_;
  const std::function<void()> rouse_;
  SourceSorter sorter_;
  DatagramOutbox outbox_;
  DatagramBatch batch_;
  std::unique_ptr<Mailbox<Forwarded>> forwarded_;  // to guests here
  std::vector<MediaStream*> guests_;
  std::vector<Forwarded> early_;  // for guests that are still to come
  std::vector<Forwarded> held_;   // for streams of the port that are adrift
  std::uint64_t received_ = 0, unhanded_ = 0;
  Numbers numbers_;
};

}  // namespace ivr
