#pragma once
#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/codec.hpp"
#include "ivr/ports.hpp"

namespace ivr {

enum class MediaDirection { sendrecv, sendonly, recvonly, inactive };

struct SdpAttribute {  // a=name:value, or a=name with an empty value
  std::string name, value;
};

struct SdpConnection {  // c=IN IP4 192.0.2.1
  bool ipv6 = false;
  std::string address;  // as written, without a multicast TTL; perhaps a host name
};

struct SdpMedia {          // one m= section
  std::string kind;        // "audio", "video", ...
  std::uint16_t port = 0;  // 0: refused, or gone
  std::string protocol;    // "RTP/AVP"
  std::vector<std::string> formats;
  std::optional<SdpConnection> connection;  // none: the session's
  std::vector<SdpAttribute> attributes;

  const SdpAttribute* find(std::string_view name) const;  // the first one, or nullptr
};

// A session description (RFC 8866), of which the parts that an answering machine needs are kept: v, o, s, c,
// t, m and a. Other lines are skipped. parse() takes what phones really send: bare LF or CR, a missing o=, s=
// or t=, blank lines, c= on either level. It does not judge the media; MediaNegotiator does.
//
// Limits: 64 KiB, 64 media sections, 256 attributes a level, 128 formats a section.
// Errors: InvalidArgument with the number of the line.
struct SessionDescription {
  std::string user = "-";
  std::string session_id = "0", version = "0";  // decimal digits, of any length
  SdpConnection origin;
  std::string name = "-";
  std::optional<SdpConnection> connection;
  std::string timing = "0 0";  // the first t=
  std::vector<SdpAttribute> attributes;
  std::vector<SdpMedia> media;

  static absl::StatusOr<SessionDescription> parse(std::string_view text);
  std::string to_string() const;  // CRLF line ends

  const SdpAttribute* find(std::string_view attribute) const;
  MediaDirection direction(const SdpMedia& section) const;  // its own, else the session's, else sendrecv
};

struct NegotiatorOptions {
  Address local;                 // where we receive RTP, as the peer is to see it; IPv4 or IPv6
  std::uint64_t session_id = 1;  // unique for this leg (RFC 8866, 5.2)
  std::vector<Codec> codecs = {Codec::pcmu, Codec::pcma, Codec::l16};  // what we take, best first
  bool prefer_ours = false;     // of several common codecs take our best; false: the offerer's
  bool telephone_event = true;  // RFC 4733 events 0-15, and 16 when the peer asks
  bool comfort_noise = false;   // RFC 3389, beside codecs with a clock of 8 kHz
};

struct Negotiated {
  std::string sdp;  // the answer
  RemoteMedia remote;
};

// Offer and answer of one leg (RFC 3264): one audio stream over RTP/AVP; every other m= line is answered with
// port 0. An answer names one codec, so both sides know what will come. The version in o= rises exactly when
// the body changes, and payload numbers keep their meaning for the life of the leg. It knows no transaction:
// after a refused offer just go on, a call that failed changed nothing.
//
// telephone-event is agreed at the clock of the codec (RFC 4733, 2.1), so an offer has one for each clock.
// Where a peer has nothing but telephone-event/8000 beside Opus, as some telephones do, that is taken.
//
// Errors: InvalidArgument, the text is not SDP (400); FailedPrecondition, nothing in it that we can take
// (488).
//
// Thread: one at a time.
class MediaNegotiator {
 public:
  static absl::StatusOr<MediaNegotiator> create(const NegotiatorOptions& options);

  // Our offer: all of our codecs, or `codecs` when given; sendonly or inactive holds the peer.
  std::string offer(std::span<const Codec> codecs = {}, MediaDirection direction = MediaDirection::sendrecv);

  // The peer's answer to our last offer; again when a 183 and then the 200 carry one.
  absl::StatusOr<RemoteMedia> accept(std::string_view remote_answer);

  // The peer's offer, first or later. `direction` is what we would like; the answer never gives more than was
  // offered.
  absl::StatusOr<Negotiated> answer(std::string_view remote_offer,
                                    MediaDirection direction = MediaDirection::sendrecv);

  // Another address or port from the next offer or answer on. Refused like in create().
  absl::Status set_local(const Address& local);

 private:
  struct Line {  // one m= line of the session, in order for ever (RFC 3264, 8)
    std::string kind, protocol, format;
  };
  using EventTypes = std::array<int, 3>;  // at 8, 16 and 48 kHz; -1: none yet
  struct Offer {
    std::vector<Codec> codecs;
    MediaDirection direction = MediaDirection::sendrecv;
    EventTypes event_types{-1, -1, -1};
    bool comfort_noise = false;
  };
  struct Choice;

  explicit MediaNegotiator(const NegotiatorOptions& options);
  absl::StatusOr<Choice> choose(const SessionDescription& offer, const SdpMedia& section) const;
  std::string write(const std::vector<Line>& lines, std::size_t audio, const std::string& timing,
                    const std::string& audio_section);
  int free_type(int preferred);

  NegotiatorOptions options_;
  bool ipv6_ = false;
  std::vector<Line> lines_;
  std::size_t audio_ = 0;             // index of our line
  std::optional<Offer> offer_;        // ours, while it is the last word
  std::array<int, kCodecs> types_{};  // of each codec, once it was named
  EventTypes event_types_{-1, -1, -1};
  std::bitset<128> taken_;  // payload numbers that mean something in this session
  std::uint64_t version_ = 0;
  std::string body_;  // last one sent, without o=
};

}  // namespace ivr
