#if IVR_WITH_ORTP
#include "edge/ortp.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <utility>

#include "edge/random.hpp"

#include <ortp/ortp.h>

namespace ivr {
namespace {

// Between packets that oRTP sees, in time of the stream, once it has reported. With each it draws anew when
// its report is due: the first should be soon.
constexpr Micros kShown = 1s;
// Of a packet, so much is shown: the header, and that there is a payload. No report tells how long that is.
constexpr std::size_t kShownBytes = 96;
// Of a stream, in bit/s: how often reports are due follows from it (RFC 3550, 6.2), and oRTP cannot see it.
constexpr int kBandwidth = 80'000;

void write32(std::uint8_t* at, std::uint32_t value) noexcept {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

// All 128 payload types are audio of one clock to oRTP: telephone events are ours, and the clock rate is all
// it needs.
RtpProfile* shared_profile(int clock_hz) {
  struct Profiles {
    RtpProfile *narrow, *wide, *full;
  };
  static const Profiles profiles = [] {
    ortp_init();
    ortp_set_log_level_mask("ortp", ORTP_FATAL);  // ORTP_LOG_DOMAIN is "bctbx" to whoever includes the header
    const auto make = [](int hz) {
      PayloadType* audio = payload_type_clone(&payload_type_pcmu8000);
      audio->clock_rate = hz;
      RtpProfile* made = rtp_profile_new("ivr");
      for (int type = 0; type < 128; ++type) rtp_profile_set_payload(made, type, audio);
      return made;
    };
    return Profiles{make(8'000), make(16'000), make(48'000)};
  }();
  return clock_hz == 48'000 ? profiles.full : clock_hz == 16'000 ? profiles.wide : profiles.narrow;
}

}  // namespace

struct RtpTransportCalls {
  static RtpLink& link(RtpTransport* transport) { return *static_cast<RtpLink*>(transport->data); }

  static int send(const UdpSocket& socket, Endpoint to, mblk_t* message) {
    if (message->b_cont != nullptr) msgpullup(message, static_cast<std::size_t>(-1));
    const auto size = static_cast<std::size_t>(message->b_wptr - message->b_rptr);
    if (to.usable() && !socket.send(to, {message->b_rptr, size})) return -1;
    return static_cast<int>(size);
  }

  static int receive(std::span<const std::uint8_t>& waiting, const RtpLink& l, mblk_t* message,
                     sockaddr* from, socklen_t* from_length) {
    const auto room = static_cast<std::size_t>(dblk_lim(message->b_datap) - message->b_wptr);
    if (waiting.empty() || waiting.size() > room) {
      waiting = {};
      errno = EWOULDBLOCK;
      return -1;
    }
    std::memcpy(message->b_wptr, waiting.data(), waiting.size());
    if (from != nullptr && from_length != nullptr) {
      const sockaddr_in address = to_sockaddr(l.in_from_);
      std::memcpy(from, &address, sizeof address);
      *from_length = sizeof address;
    }
    const auto micros = l.in_at_.time_since_epoch().count();
    message->timestamp = {micros / 1'000'000, micros % 1'000'000};
    const int size = static_cast<int>(waiting.size());
    waiting = {};
    return size;
  }

  static int rtp_send(RtpTransport* t, mblk_t* m, int, const sockaddr*, socklen_t) {
    RtpLink& l = link(t);
    if (l.outbox_ == nullptr || !l.rtp_to_.usable()) return send(l.rtp_, l.rtp_to_, m);
    if (m->b_cont != nullptr) msgpullup(m, static_cast<std::size_t>(-1));
    const std::span<const std::uint8_t> packet{m->b_rptr, m->b_wptr};
    return l.outbox_->push(l.rtp_to_, packet, {}) ? static_cast<int>(packet.size()) : -1;
  }
  static int rtcp_send(RtpTransport* t, mblk_t* m, int, const sockaddr*, socklen_t) {
    RtpLink& l = link(t);
    if (m->b_cont != nullptr) msgpullup(m, static_cast<std::size_t>(-1));
    l.complete({m->b_rptr, m->b_wptr});
    return send(l.rtcp_, l.rtcp_to_, m);
  }
  static int rtp_receive(RtpTransport* t, mblk_t* m, int, sockaddr* from, socklen_t* length) {
    return receive(link(t).rtp_in_, link(t), m, from, length);
  }
  static int rtcp_receive(RtpTransport* t, mblk_t* m, int, sockaddr* from, socklen_t* length) {
    return receive(link(t).rtcp_in_, link(t), m, from, length);
  }

  using Send = int (*)(RtpTransport*, mblk_t*, int, const sockaddr*, socklen_t);
  using Receive = int (*)(RtpTransport*, mblk_t*, int, sockaddr*, socklen_t*);

  static RtpTransport* make(RtpLink* owner, Send send, Receive receive) {
    auto* made = static_cast<RtpTransport*>(ortp_malloc0(sizeof(RtpTransport)));
    made->data = owner;
    made->t_getsocket = [](RtpTransport*) { return ortp_socket_t(-1); };
    made->t_sendto = send;
    made->t_recvfrom = receive;
    made->t_close = [](RtpTransport*) {};
    made->t_destroy = [](RtpTransport* transport) { ortp_free(transport); };
    return made;
  }
};

RtpLink::RtpLink(const UdpSocket& rtp, const UdpSocket& rtcp) : rtp_(rtp), rtcp_(rtcp) {
  RtpProfile* profile = shared_profile(clock_hz_);
  session_ = rtp_session_new(RTP_SESSION_SENDRECV);
  rtp_session_set_scheduling_mode(session_, FALSE);
  rtp_session_set_blocking_mode(session_, FALSE);
  rtp_session_enable_jitter_buffer(session_, FALSE);
  rtp_session_enable_adaptive_jitter_compensation(session_, FALSE);
  rtp_session_set_symmetric_rtp(session_, FALSE);
  rtp_session_set_profile(session_, profile);
  rtp_session_set_payload_type(session_, 0);
  rtp_session_set_target_upload_bandwidth(session_, kBandwidth);
  rtp_session_set_ssrc_changed_threshold(session_, 0);  // our own judgement of the source comes first

  RtpTransport* rtp_meta = nullptr;
  RtpTransport* rtcp_meta = nullptr;
  rtp_session_get_transports(session_, &rtp_meta, &rtcp_meta);
  meta_rtp_transport_set_endpoint(
      rtp_meta, RtpTransportCalls::make(this, RtpTransportCalls::rtp_send, RtpTransportCalls::rtp_receive));
  meta_rtp_transport_set_endpoint(rtcp_meta, RtpTransportCalls::make(this, RtpTransportCalls::rtcp_send,
                                                                     RtpTransportCalls::rtcp_receive));

  // A CNAME that says nothing about us (RFC 7022, 4.2), and random first numbers (RFC 3550, 5.1).
  char cname[32];
  std::snprintf(cname, sizeof cname, "%08x%08x", random_bits(), random_bits());
  rtp_session_set_source_description(session_, cname, nullptr, nullptr, nullptr, nullptr, "libivr", nullptr);
  // They are kept as long as the session, in blocks of 1 KB: in blocks of their own size instead.
  for (mblk_t** sdes : {&session_->minimal_sdes, &session_->full_sdes}) {
    if (*sdes == nullptr) continue;
    mblk_t* const compact = copymsg(*sdes);
    freemsg(std::exchange(*sdes, compact));
  }
  next_sequence_ = static_cast<std::uint16_t>(random_bits());
  ssrc_ = rtp_session_get_send_ssrc(session_);
}

RtpLink::~RtpLink() { rtp_session_destroy(session_); }

void RtpLink::set_payload_type(int payload_type, int clock_hz) noexcept {
  if (clock_hz != clock_hz_) {
    clock_hz_ = clock_hz;
    rtp_session_set_profile(session_, shared_profile(clock_hz));
    // One step of a generator of full period: an SSRC as random as the one before.
    if (sent_) {
      ssrc_ = ssrc_ * 1664525U + 1013904223U;
      rtp_session_set_ssrc(session_, ssrc_);
      packets_ = octets_ = 0;
    }
  }
  rtp_session_set_payload_type(session_, payload_type);
}

void RtpLink::connect(bool on) noexcept {
  const Endpoint wanted = on ? rtp_to_ : Endpoint{};
  if (wanted != connected_) connected_ = rtp_.connect(wanted) ? wanted : Endpoint{};
}

bool RtpLink::send(int payload_type, bool marker, std::uint32_t timestamp,
                   std::span<const std::uint8_t> payload) noexcept {
  const RtpHeader header{static_cast<std::uint8_t>(payload_type), marker, next_sequence_++, timestamp, ssrc_};
  ++packets_;
  octets_ += static_cast<std::uint32_t>(payload.size());
  sent_at_ = timestamp;
  sent_ = true;
  const auto since = later_by(timestamp, shown_out_);
  if (!reported_ || since < 0 || since >= clock_hz_ * kShown / 1s) {
    shown_out_ = timestamp;
    return send_by_ortp(header, payload);
  }
  if (!rtp_to_.usable()) return true;
  const auto head = write_rtp_header(header);
  if (outbox_ != nullptr) return outbox_->push(rtp_to_, head, payload);
  std::array<std::uint8_t, kRtpHeaderBytes + DatagramBatch::kMaxBytes> packet;
  const std::size_t size = std::min(payload.size(), DatagramBatch::kMaxBytes);
  std::memcpy(packet.data(), head.data(), head.size());
  std::memcpy(packet.data() + head.size(), payload.data(), size);
  return rtp_.send(connected_.usable() ? Endpoint{} : rtp_to_, {packet.data(), head.size() + size});
}

bool RtpLink::send_by_ortp(const RtpHeader& header, std::span<const std::uint8_t> payload) noexcept {
  mblk_t* packet = rtp_session_create_packet(session_, RTP_FIXED_HEADER_SIZE, payload.data(), payload.size());
  if (packet == nullptr) return false;
  rtp_set_payload_type(packet, header.payload_type);
  rtp_set_markbit(packet, header.marker ? 1 : 0);
  rtp_set_seqnumber(packet, header.sequence);
  return rtp_session_sendm_with_ts(session_, packet, header.timestamp) >= 0;
}

// What oRTP says of the few packets it has seen becomes true of all.
void RtpLink::complete(std::span<std::uint8_t> report) noexcept {
  reported_ = true;
  constexpr std::size_t kSenderReport = 28, kReceiverReport = 8, kBlock = 24;
  for (std::size_t at = 0; at + kReceiverReport <= report.size();) {
    std::uint8_t* const p = report.data() + at;
    const std::size_t size = 4 * (1 + static_cast<std::size_t>(p[2] << 8 | p[3]));
    if (size > report.size() - at) return;
    const bool sender = p[1] == RTCP_SR;
    if (sender && size >= kSenderReport) {
      write32(p + 16, sent_at_);
      write32(p + 20, packets_);
      write32(p + 24, octets_);
    }
    const std::size_t block = sender ? kSenderReport : kReceiverReport;
    if ((sender || p[1] == RTCP_RR) && (p[0] & 0x1F) > 0 && size >= block + kBlock) {
      const RtpReceiverStats::Report of = reception_.report();
      write32(p + block, reception_.ssrc());
      write32(p + block + 4, static_cast<std::uint32_t>(of.fraction_lost) << 24 |
                                 (static_cast<std::uint32_t>(of.cumulative_lost) & 0xFFFFFF));
      write32(p + block + 8, of.highest_sequence);
      write32(p + block + 12, of.jitter * static_cast<std::uint32_t>(clock_hz_ / kSampleRateHz));
    }
    at += size;
  }
}

void RtpLink::received(std::span<const std::uint8_t> packet, const RtpHeader& header, Endpoint from,
                       Time now) noexcept {
  reception_.receive(header, now);
  if (reported_ && header.ssrc == shown_from_ && now - shown_in_ < kShown) return;
  shown_from_ = header.ssrc;
  shown_in_ = now;
  rtp_in_ = packet.first(std::min(packet.size(), kShownBytes));
  in_from_ = from;
  in_at_ = now;
  pump(now);
}

void RtpLink::received_rtcp(std::span<const std::uint8_t> packet, Endpoint from, Time now) noexcept {
  rtcp_in_ = packet;
  in_from_ = from;
  in_at_ = now;
  pump(now);
}

void RtpLink::pump(Time now) noexcept {
  // oRTP takes the asked-for timestamp as the arrival time, and reads its sockets only when it changes.
  // Divided at once: microseconds since 1970 leave no room to multiply.
  static_assert(1'000'000 % kSampleRateHz == 0);
  const auto samples = static_cast<std::uint32_t>(now.time_since_epoch().count() /
                                                  (1'000'000 / kSampleRateHz) * (clock_hz_ / kSampleRateHz));
  arrival_ = samples == arrival_ ? samples + 1 : samples;
  rtp_session_set_recv_buf_size(session_, static_cast<int>(std::max(kShownBytes, rtcp_in_.size())));
  while (mblk_t* message = rtp_session_recvm_with_ts(session_, arrival_)) {
    freemsg(message);
    ++arrival_;
  }
  rtp_in_ = {};
  rtcp_in_ = {};
  // It would keep three buffers for what comes next; they are 7 KB a call, and made in no time.
  msgb_allocator_uninit(&session_->rtp.gs.allocator);
  msgb_allocator_uninit(&session_->rtcp.gs.allocator);
}

void RtpLink::bye() noexcept {
  if (sent_) rtp_session_bye(session_, nullptr);
}

double RtpLink::round_trip_ms() const noexcept {
  return rtp_session_get_round_trip_propagation(session_) * 1000.0;
}

}  // namespace ivr
#endif
