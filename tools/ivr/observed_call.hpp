#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ivr/sdp.hpp"
#include "trace.hpp"

// The audio line of a description that one side sent.
struct SeenAudio {
  const SipMessage* message = nullptr;
  std::string ip;  // as written; perhaps a host name
  std::uint16_t port = 0;
  int event_type = -1;  // telephone-event (RFC 4733), -1: not in it
  std::vector<std::string> formats;
  ivr::MediaDirection direction = ivr::MediaDirection::sendrecv;
  bool ice = false;  // the addresses that count are candidates (RFC 8839), not this one
};

struct Party {
  std::vector<SeenAudio> audio;
  std::set<std::pair<std::string, std::uint16_t>> addresses;  // where it wants its audio, on every hop

  bool owns(const ivr::Address& a) const { return addresses.contains({a.ip, a.port}); }
};

// A call as a capture shows it: the messages with one Call-ID and the RTP that goes to or comes from the
// addresses in its descriptions. With a proxy in the picture a message is in it once for each hop.
struct ObservedCall {
  std::string id;
  std::vector<const SipMessage*> messages;
  std::string caller_tag;
  Party caller, callee;
  const SipMessage* invite = nullptr;                  // the first one
  const SipMessage* answer = nullptr;                  // the first 2xx to it
  const SipMessage* bye = nullptr;                     // the first one
  std::vector<const RtpPacket*> to_caller, to_callee;  // after the answer

  // Whether the caller has sent it.
  bool from_caller(const SipMessage& m) const { return (m.from_tag == caller_tag) == m.request(); }
};

// Addresses of calls that are over may be used again, so RTP belongs to a call only while it lasts.
std::vector<ObservedCall> observe_calls(const Trace& trace);
