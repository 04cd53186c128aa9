#include "engine/media_sorter.hpp"

namespace ivr {
namespace {

// Packets behind and ahead of the last that are the same stream.
constexpr int kBefore = 64, kAfter = 500;

std::uint64_t key_of(Endpoint at) noexcept { return std::uint64_t{at.ip} << 16 | at.port; }
std::uint64_t key_of(std::uint32_t ip, std::uint32_t ssrc) noexcept { return std::uint64_t{ip} << 32 | ssrc; }
std::uint64_t key_behind(std::uint32_t ip) noexcept { return std::uint64_t{1} << 63 | ip; }

}  // namespace

template <SourceSorter::Hook SourceSorter::Line::*hook>
void SourceSorter::Index<hook>::insert(std::uint64_t key, Line& line) {
  Line*& head = heads_[key];
  line.*hook = {nullptr, head, key, true};
  if (head != nullptr) (head->*hook).before = &line;
  head = &line;
}

template <SourceSorter::Hook SourceSorter::Line::*hook>
void SourceSorter::Index<hook>::erase(Line& line) {
  Hook& out = line.*hook;
  if (!out.in) return;
  if (out.next != nullptr) (out.next->*hook).before = out.before;
  if (out.before != nullptr) {
    (out.before->*hook).next = out.next;
  } else if (out.next != nullptr) {
    heads_[out.key] = out.next;
  } else {
    heads_.erase(out.key);
  }
  out = {};
}

SourceSorter::SourceSorter() : over_(kOver) {
  over_at_.reserve(kOver);
  newcomers_.reserve(kDoubtful);
}

void SourceSorter::add(Line& line) {
  line.added = true;
  ++lines_;
  ++unannounced_;
}

void SourceSorter::announce(Line& line, const SourceGuard::Negotiated& negotiated, const Types& types,
                            Time now) {
  line.types = types;
  if (line.announced && line.negotiated == negotiated) return;
  unlink(line, now);
  if (!line.announced) --unannounced_;
  line.announced = true;
  line.negotiated = negotiated;
  line.nat = SourceGuard::behind_nat(negotiated);
  line.heard = false;
  line.source = negotiated.rtp;
  if (negotiated.rtp.usable()) by_rtp_.insert(key_of(negotiated.rtp), line);
  if (negotiated.rtcp.usable()) by_rtcp_.insert(key_of(negotiated.rtcp), line);
  if (line.nat && negotiated.signalling_ip != 0) behind_.insert(negotiated.signalling_ip, line);
}

void SourceSorter::remove(Line& line, Time now) {
  if (!line.added) return;
  unlink(line, now);
  if (!line.announced) --unannounced_;
  --lines_;
  line.added = line.announced = line.heard = false;
}

void SourceSorter::unlink(Line& line, Time now) {
  if (line.heard) bury(line.source.ip, line.ssrc, line.id, line.sequence, now);
  leave_address(line);
  by_rtcp_.erase(line);
  if (line.by_ip.in) {
    const auto ip = static_cast<std::uint32_t>(line.by_ip.key);
    behind_.erase(line);
    const Line* const first = behind_.find(ip);
    left(key_behind(ip), line, first == nullptr || first->by_ip.next == nullptr);
  }
  by_ssrc_.erase(line);
}

void SourceSorter::leave_address(Line& line) {
  if (!line.by_rtp.in) return;
  const std::uint64_t key = line.by_rtp.key;
  by_rtp_.erase(line);
  const Line* const first = by_rtp_.find(key);
  left(key, line, first == nullptr || first->by_rtp.next == nullptr);
}

// Whoever might have been this stream's is not to be taken for another's now.
void SourceSorter::left(std::uint64_t key, const Line& line, bool few) {
  const auto found = newcomers_.find(key);
  if (found == newcomers_.end()) return;
  for (Newcomer& n : found->second) {
    if (!n.known || (line.heard && line.heard_at > n.since)) continue;
    bury(n.from.ip, n.ssrc, 0, n.sequence, n.last);
    n.known = false;
  }
  if (few) newcomers_.erase(key);
}

// Its packets may still come.
void SourceSorter::bury(std::uint32_t ip, std::uint32_t ssrc, StreamId stream, std::uint16_t sequence,
                        Time now) {
  Over& over = over_[next_over_];
  if (const auto old = over_at_.find(over.key); old != over_at_.end() && old->second == next_over_)
    over_at_.erase(old);
  over = {key_of(ip, ssrc), stream, sequence, now, now};
  over_at_[over.key] = next_over_;
  next_over_ = (next_over_ + 1) % kOver;
}

SourceSorter::Newcomer* SourceSorter::newcomer(std::uint64_t key, Endpoint from, const RtpHeader& header,
                                               Time now) {
  if (newcomers_.size() == kDoubtful && !newcomers_.contains(key)) return nullptr;
  Newcomers& all = newcomers_[key];
  Newcomer* oldest = &all.front();
  for (Newcomer& n : all) {
    if (n.known && n.from == from && n.ssrc == header.ssrc) {
      n.sequence = header.sequence;
      n.last = now;
      return &n;
    }
    if (!n.known || (oldest->known && n.last < oldest->last)) oldest = &n;
  }
  if (oldest->known) bury(oldest->from.ip, oldest->ssrc, 0, oldest->sequence, oldest->last);
  *oldest = {from, header.ssrc, header.sequence, now, now, {}, true};
  return oldest;
}

// Of a list, the only one that has been silent since the newcomer is there.
SourceSorter::Line* SourceSorter::silent_one(Line& first, Hook Line::*hook, std::uint64_t key, Endpoint from,
                                             const RtpHeader& header, Time now) {
  Newcomer* const n = newcomer(key, from, header, now);
  if (n == nullptr || now - n->since < kSure || now - n->looked < kSure) return nullptr;
  n->looked = now;
  Line* only = nullptr;
  for (Line* l = &first; l != nullptr; l = (l->*hook).next) {
    if (l->heard && l->heard_at > n->since) continue;
    if (only != nullptr) return nullptr;
    only = l;
  }
  return only;
}

SourceSorter::Over* SourceSorter::of_one_over(Endpoint from, const RtpHeader& header, Time now) {
  const auto found = over_at_.find(key_of(from.ip, header.ssrc));
  if (found == over_at_.end()) return nullptr;
  Over& over = over_[found->second];
  const int ahead = newer_by(header.sequence, over.sequence);
  if (now - over.heard >= kForgotten || ahead < -kBefore || ahead > kAfter) return nullptr;
  over.heard = now;
  if (ahead > 0) over.sequence = header.sequence;
  return &over;
}

SourceSorter::Line* SourceSorter::rtp(Endpoint from, const RtpHeader& header, Time now) {
  Line* const first = by_rtp_.find(key_of(from));
  const auto late = late_;
  Line* line = first == nullptr                             ? unknown(from, header, now)
               : first->heard && first->ssrc == header.ssrc ? first
                                                            : among(*first, from, header, now);
  if (line != nullptr) {
    hear(*line, from, header, now);
  } else if (late == late_) {
    ++strangers_;
  }
  return line;
}

SourceSorter::Line* SourceSorter::among(Line& first, Endpoint from, const RtpHeader& header, Time now) {
  bool its_own = false;
  const Over* const over = of_one_over(from, header, now);
  for (Line* l = &first; l != nullptr; l = l->by_rtp.next) {
    if (l->heard && l->ssrc == header.ssrc) return l;
    its_own = its_own || (over != nullptr && over->stream == l->id);  // on hold, and back at its old place
  }
  if (over != nullptr && !its_own && now - over->ended < kGone) {
    ++late_;
    return nullptr;
  }
  if (first.by_rtp.next == nullptr) return &first;
  return silent_one(first, &Line::by_rtp, key_of(from), from, header, now);
}

SourceSorter::Line* SourceSorter::unknown(Endpoint from, const RtpHeader& header, Time now) {
  if (of_one_over(from, header, now) != nullptr) {
    ++late_;
    return nullptr;
  }
  if (Line* const same = by_ssrc_.find(key_of(from.ip, header.ssrc)); same != nullptr) {
    return same->by_ssrc.next == nullptr && now - same->heard_at >= kSilence ? same : nullptr;
  }
  Line* const first = behind_.find(from.ip);
  if (first == nullptr) return nullptr;
  Line* const line = first->by_ip.next == nullptr && unannounced_ == 0
                         ? first
                         : silent_one(*first, &Line::by_ip, key_behind(from.ip), from, header, now);
  if (line == nullptr || line->heard || unannounced_ > 0) return nullptr;
  const int type = header.payload_type;
  const Types& types = line->types;
  return type == types.audio || type == types.event || type == types.comfort_noise ? line : nullptr;
}

void SourceSorter::hear(Line& line, Endpoint from, const RtpHeader& header, Time now) {
  if (from != line.source) {
    leave_address(line);
    by_rtp_.insert(key_of(from), line);
    line.source = from;
  }
  if (!line.heard || line.ssrc != header.ssrc) forget_newcomer(line, from, header.ssrc);
  if (line.nat && line.by_ip.in && (!line.heard || line.ssrc != header.ssrc || !line.by_ssrc.in)) {
    by_ssrc_.erase(line);
    by_ssrc_.insert(key_of(from.ip, header.ssrc), line);
  }
  line.heard = true;
  line.heard_at = now;
  line.ssrc = header.ssrc;
  line.sequence = header.sequence;
}

void SourceSorter::forget_newcomer(const Line& line, Endpoint from, std::uint32_t ssrc) {
  for (const std::uint64_t key : {line.by_rtp.key, key_behind(from.ip)}) {
    const auto found = newcomers_.find(key);
    if (found == newcomers_.end()) continue;
    for (Newcomer& n : found->second) n.known = n.known && !(n.from == from && n.ssrc == ssrc);
  }
}

SourceSorter::Line* SourceSorter::rtcp(Endpoint from, std::uint32_t ssrc, Time now) {
  Line* line = by_rtcp_.find(key_of(from));
  if (line != nullptr && line->by_rtcp.next == nullptr) {
    if (line->heard && line->ssrc == ssrc) return line;
    const auto over = over_at_.find(key_of(from.ip, ssrc));
    if (over == over_at_.end() || over_[over->second].stream == line->id ||
        now - over_[over->second].ended >= kGone) {
      return line;
    }
    ++late_;
    return nullptr;
  }
  if (line != nullptr) {
    while (line != nullptr && !(line->heard && line->ssrc == ssrc)) line = line->by_rtcp.next;
  } else if (line = by_ssrc_.find(key_of(from.ip, ssrc)); line != nullptr && line->by_ssrc.next != nullptr) {
    line = nullptr;
  }
  if (line == nullptr) ++strangers_;
  return line;
}

}  // namespace ivr
