#pragma once
#include <array>
#include <cstdint>
#include <cstring>

#include "ivr/base.hpp"
#include "ivr/rtp.hpp"

namespace ivr {

// Gives packets on in the order they were sent. An ordered stream passes through at once; behind a hole at
// most two packets wait for the missing one, and for 50 ms at most. It does not play out: nothing is delayed
// to a clock.
//
// Thread:   one at a time.
// Realtime: bounded, never allocates.
class InOrder {
 public:
  static constexpr int kHeld = 2;
  static constexpr Micros kWait = 50ms;
  static constexpr std::size_t kMaxPayload =
      640;                              // a longer one does not wait: the hole before it is given up
  static constexpr int kRestart = 128;  // a jump further than this is a new beginning

  // deliver(const RtpFrame& frame, int lost): `lost` packets are missing before it.
  template <class Deliver>
  void push(const RtpFrame& frame, Time now, Deliver&& deliver) {
    int ahead = started_ ? newer_by(frame.header.sequence, next_) : 0;
    if (!started_ || frame.header.ssrc != ssrc_ || ahead > kRestart || ahead < -kRestart) {
      while (held_ > 0) give_up(1, deliver);
      missing_ = 0;
      started_ = true;
      ssrc_ = frame.header.ssrc;
      next_ = frame.header.sequence;
      ahead = 0;
    }
    if (ahead < 0) {
      ++late_;
      return;
    }
    const bool fits = frame.payload.size() <= kMaxPayload;
    if (ahead > (fits ? kHeld : 0)) {
      give_up(fits ? ahead - kHeld : ahead, deliver);
      ahead = newer_by(frame.header.sequence, next_);
    }
    if (ahead == 0) {
      deliver(frame, missing_);
      missing_ = 0;
      ++next_;
      release(deliver);
      return;
    }
    Slot& slot = slots_[frame.header.sequence % slots_.size()];
    if (slot.used) {  // the same packet again: no other fits the window
      ++late_;
      return;
    }
    if (held_++ == 0) since_ = now;
    slot.used = true;
    slot.header = frame.header;
    slot.size = static_cast<std::uint16_t>(frame.payload.size());
    std::memcpy(slot.payload.data(), frame.payload.data(), frame.payload.size());
  }

  // Gives up a hole that is too old.
  template <class Deliver>
  void tick(Time now, Deliver&& deliver) {
    if (held_ > 0 && now - since_ >= kWait) {
      give_up(1, deliver);
      since_ = now;
    }
  }

  std::uint64_t late() const noexcept { return late_; }  // came after their place was given up, or twice
  std::uint64_t lost() const noexcept { return lost_; }

 private:
  struct Slot {
    bool used = false;
    RtpHeader header;
    std::uint16_t size = 0;
    std::array<std::uint8_t, kMaxPayload> payload;
  };

  template <class Deliver>
  void release(Deliver&& deliver) {
    while (held_ > 0) {
      Slot& slot = slots_[next_ % slots_.size()];
      if (!slot.used) return;
      slot.used = false;
      --held_;
      deliver(RtpFrame{slot.header, {slot.payload.data(), slot.size}}, missing_);
      missing_ = 0;
      ++next_;
    }
  }

  // Moves on by at least `steps` places, past holes.
  template <class Deliver>
  void give_up(int steps, Deliver&& deliver) {
    for (; steps > 0; --steps) {
      Slot& slot = slots_[next_ % slots_.size()];
      if (held_ > 0 && slot.used) {
        slot.used = false;
        --held_;
        deliver(RtpFrame{slot.header, {slot.payload.data(), slot.size}}, missing_);
        missing_ = 0;
      } else {
        ++missing_;
        ++lost_;
      }
      ++next_;
    }
    release(deliver);
  }

  bool started_ = false;
  std::uint32_t ssrc_ = 0;
  std::uint16_t next_ = 0;
  int held_ = 0, missing_ = 0;
  Time since_{};
  std::uint64_t late_ = 0, lost_ = 0;
  std::array<Slot, 4> slots_{};  // a power of two above kHeld: the places next_+1 and next_+2 never share one
};

}  // namespace ivr
