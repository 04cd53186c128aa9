#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "engine/mailbox.hpp"
#include "ivr/base.hpp"
#include "ivr/rtp.hpp"

namespace ivr {

// What waits behind the holes of one stream.
class HeldPool;
struct HeldPackets {
  static constexpr std::size_t kMaxPayload = 640;
  struct Slot {
    bool used = false;
    RtpHeader header;
    std::uint16_t size = 0;
    std::array<std::uint8_t, kMaxPayload> payload;
  };
  HeldPool* home;
  // A power of two above the most that wait: the places of the next packet but one and of that behind it
  // never share one.
  std::array<Slot, 4> slots;

  explicit HeldPackets(HeldPool* pool) noexcept : home(pool) {}
};

// Room for them, which few streams need at a time, and those for 50 ms: a media thread has it for all of its
// streams. What is never needed is never touched, and takes no memory.
//
// Thread:   take() by one, give_back() by any.
// Realtime: bounded, never allocates.
class HeldPool {
 public:
  static constexpr std::size_t kStreams = 512;  // with a hole at the same time

  explicit HeldPool(std::size_t streams = kStreams)
      : room_(new Room[streams]), untouched_(room_.get()), end_(untouched_ + streams), free_(streams) {}

  HeldPackets* take() noexcept {  // null: all are taken
    Room* room = nullptr;
    if (!free_.pop(room)) {
      if (untouched_ == end_) return nullptr;
      room = untouched_++;
    }
    return ::new (room->bytes) HeldPackets(this);
  }
  static void give_back(HeldPackets* packets) noexcept {
    packets->home->free_.push(reinterpret_cast<Room*>(packets));
  }

 private:
  static_assert(std::is_trivially_destructible_v<HeldPackets>);
  struct Room {
    alignas(HeldPackets) std::byte bytes[sizeof(HeldPackets)];
  };
  const std::unique_ptr<Room[]> room_;
  Room* untouched_;
  Room* const end_;
  Mailbox<Room*> free_;
};

// Gives packets on in the order they were sent. An ordered stream passes through at once; behind a hole at
// most two packets wait for the missing one, and for 50 ms at most. It does not play out: nothing is delayed
// to a clock. Where they wait is the pool's; when that has no room the hole is given up at once.
//
// Thread:   one at a time.
// Realtime: bounded, never allocates.
class InOrder {
 public:
  static constexpr int kHeld = 2;
  static constexpr Micros kWait = 50ms;
  // A longer one does not wait: the hole before it is given up.
  static constexpr std::size_t kMaxPayload = HeldPackets::kMaxPayload;
  static constexpr int kRestart = 128;  // a jump further than this is a new beginning

  InOrder() = default;
  InOrder(const InOrder&) = delete;
  InOrder& operator=(const InOrder&) = delete;
  ~InOrder() {
    if (held_packets_ != nullptr) HeldPool::give_back(held_packets_);
  }

  void hold_in(HeldPool& pool) noexcept { pool_ = &pool; }  // from now on; it outlives this

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
    const bool fits = ahead <= 0 || (frame.payload.size() <= kMaxPayload && room());
    if (ahead > (fits ? kHeld : 0)) {
      give_up(fits ? ahead - kHeld : ahead, deliver);
      ahead = newer_by(frame.header.sequence, next_);
    }
    if (ahead == 0) {
      deliver(frame, missing_);
      missing_ = 0;
      ++next_;
      release(deliver);
      return let_go();
    }
    HeldPackets::Slot& slot = place(frame.header.sequence);
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
      let_go();
    }
  }

  std::uint64_t late() const noexcept { return late_; }  // came after their place was given up, or twice
  std::uint64_t lost() const noexcept { return lost_; }

 private:
  bool room() noexcept {
    if (held_packets_ == nullptr && pool_ != nullptr) held_packets_ = pool_->take();
    return held_packets_ != nullptr;
  }
  void let_go() noexcept {
    if (held_ == 0 && held_packets_ != nullptr) HeldPool::give_back(std::exchange(held_packets_, nullptr));
  }
  HeldPackets::Slot& place(std::uint16_t sequence) noexcept {  // while there is room
    return held_packets_->slots[sequence % held_packets_->slots.size()];
  }

  template <class Deliver>
  void release(Deliver&& deliver) {
    while (held_ > 0) {
      HeldPackets::Slot& slot = place(next_);
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
      if (held_ > 0 && place(next_).used) {
        HeldPackets::Slot& slot = place(next_);
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
  HeldPool* pool_ = nullptr;
  HeldPackets* held_packets_ = nullptr;  // while some wait
};

}  // namespace ivr
