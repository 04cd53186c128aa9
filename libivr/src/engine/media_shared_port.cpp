#include "engine/media_shared_port.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/media_stream.hpp"

namespace ivr {

SharedPort::Forwarded& SharedPort::Forwarded::operator=(const Forwarded& other) noexcept {
  stream = other.stream;
  from = other.from;
  at = other.at;
  rtcp = other.rtcp;
  cut = other.cut;
  size = other.size;
  std::memcpy(bytes.data(), other.bytes.data(), size);
  return *this;
}

SharedPort::SharedPort(PortRange::Pair pair, const SteadyClock& clock, bool guests,
                       std::function<void()> rouse)
    : pair_(std::move(pair)), clock_(clock), rouse_(std::move(rouse)), outbox_(pair_.rtp), batch_(kBatch) {
  if (!guests) return;
  forwarded_ = std::make_unique<Mailbox<Forwarded>>(kForwarded);
  guests_.reserve(kForwarded);
  early_.reserve(kHeld);
  held_.reserve(kHeld);
}

bool SharedPort::owns(const MediaStream& stream) const noexcept { return stream.shared_port() == &pair_; }

// Whose they are is decided for all of a batch first, so that what is known of the streams is on its way from
// memory when it is needed.
void SharedPort::receive() noexcept {
  std::array<SourceSorter::Line*, kBatch> lines;
  for (int left = kMostAtOnce; left > 0; left -= kBatch) {
    const int count = batch_.receive(pair_.rtp.fd());
    if (count <= 0) return;
    const Time now = clock_.now();
    const auto wall = std::chrono::system_clock::now();
    received_ += static_cast<std::uint64_t>(count);
    for (int i = 0; i < count; ++i) {
      SourceSorter::Line*& line = lines[static_cast<std::size_t>(i)];
      line = nullptr;
      RtpFrame frame;
      if (parse_rtp(batch_.bytes(i), frame) == RtpParse::ok)
        line = sorter_.rtp(batch_.from(i), frame.header, now);
      else
        sorter_.note_stranger();
      if (line != nullptr) line->stream->prefetch();
    }
    for (int i = 0; i < count; ++i) {
      if (SourceSorter::Line* const line = lines[static_cast<std::size_t>(i)])
        give(*line, i, false, now - batch_.waited(i, wall));
    }
    if (count < kBatch) return;
  }
}

void SharedPort::receive_rtcp() noexcept {
  const int count = batch_.receive(pair_.rtcp.fd());
  const Time now = clock_.now();
  for (int i = 0; i < count; ++i) {
    const auto bytes = batch_.bytes(i);
    if (bytes.size() < 8) {
      sorter_.note_stranger();
      continue;
    }
    const std::uint32_t ssrc = static_cast<std::uint32_t>(bytes[4]) << 24 |
                               static_cast<std::uint32_t>(bytes[5]) << 16 |
                               static_cast<std::uint32_t>(bytes[6]) << 8 | bytes[7];
    if (SourceSorter::Line* const line = sorter_.rtcp(batch_.from(i), ssrc, now)) give(*line, i, true, now);
  }
}

void SharedPort::give(SourceSorter::Line& line, int index, bool rtcp, Time at) noexcept {
  if (line.guest_of != nullptr || line.adrift) return hand_on(line, index, rtcp, at);
  if (rtcp) {
    line.stream->received_rtcp(batch_.bytes(index), batch_.cut(index), batch_.from(index), at);
  } else {
    line.stream->received(batch_.bytes(index), batch_.cut(index), batch_.from(index), at);
  }
}

void SharedPort::hand_on(SourceSorter::Line& line, int index, bool rtcp, Time at) noexcept {
  const auto bytes = batch_.bytes(index);
  Forwarded packet;
  packet.stream = line.stream;
  packet.from = batch_.from(index);
  packet.at = at;
  packet.rtcp = rtcp;
  packet.cut = batch_.cut(index);
  packet.size = static_cast<std::uint16_t>(bytes.size());
  std::memcpy(packet.bytes.data(), bytes.data(), bytes.size());
  if (!line.adrift) {
    if (!line.guest_of->forward(std::move(packet))) ++unhanded_;
  } else if (held_.size() == kHeld) {
    ++unhanded_;
  } else {
    held_.push_back(packet);
  }
}

bool SharedPort::forward(Forwarded&& packet) noexcept {
  if (!forwarded_->push(std::move(packet))) return false;
  rouse_();
  return true;
}

void SharedPort::take_forwarded() noexcept {
  if (!was_handed_something()) return;
  Forwarded packet;
  for (std::size_t i = 0; i < kForwarded && forwarded_->pop(packet); ++i) {
    if (std::find(guests_.begin(), guests_.end(), packet.stream) != guests_.end()) {
      take(packet);
    } else if (early_.size() == kHeld) {
      ++unhanded_;
    } else {
      early_.push_back(packet);
    }
  }
}

void SharedPort::take(const Forwarded& packet) noexcept {
  const std::span<const std::uint8_t> bytes(packet.bytes.data(), packet.size);
  if (packet.rtcp) {
    packet.stream->received_rtcp(bytes, packet.cut, packet.from, packet.at);
  } else {
    packet.stream->received(bytes, packet.cut, packet.from, packet.at);
  }
}

void SharedPort::attach(MediaStream& stream) noexcept {
  std::vector<Forwarded>& waiting = owns(stream) ? held_ : early_;
  if (owns(stream)) {
    if (!stream.place.added) sorter_.add(stream.place);
    stream.place.adrift = false;
    stream.place.guest_of = nullptr;
    stream.send_by(&outbox_);
  } else {
    guests_.push_back(&stream);
  }
  for (const Forwarded& packet : waiting) {
    if (packet.stream == &stream) take(packet);
  }
  std::erase_if(waiting, [&](const Forwarded& packet) { return packet.stream == &stream; });
}

// After hold(), and after all that was handed on was taken, or at home.
void SharedPort::detach(MediaStream& stream) noexcept {
  if (!owns(stream)) {
    std::erase(guests_, &stream);
    return;
  }
  outbox_.flush();
  stream.send_by(nullptr);
  stream.place.adrift = true;
}

void SharedPort::announce(MediaStream& stream, const SourceGuard::Negotiated& address,
                          const SourceSorter::Types& types) noexcept {
  sorter_.announce(stream.place, address, types, clock_.now());
}

void SharedPort::hold(MediaStream& stream) noexcept { stream.place.adrift = true; }

void SharedPort::route(MediaStream& stream, SharedPort& to) noexcept {
  stream.place.guest_of = &to;
  stream.place.adrift = false;
  for (Forwarded& packet : held_) {
    if (packet.stream == &stream && !to.forward(std::move(packet))) ++unhanded_;
  }
  std::erase_if(held_, [&](const Forwarded& packet) { return packet.stream == &stream; });
}

void SharedPort::forget(MediaStream& stream) noexcept {
  sorter_.remove(stream.place, clock_.now());
  stream.place.guest_of = nullptr;
}

void SharedPort::note_numbers() noexcept {
  constexpr auto order = std::memory_order_relaxed;
  numbers_.received.store(received_, order);
  numbers_.strangers.store(sorter_.strangers(), order);
  numbers_.late.store(sorter_.late(), order);
  numbers_.unsent.store(outbox_.dropped(), order);
  numbers_.unread.store(pair_.rtp.overflowed() + unhanded_, order);
}

}  // namespace ivr
