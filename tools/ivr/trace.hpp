#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "capture.hpp"
#include "ivr/rtp.hpp"

// A SIP message as it was sent (RFC 3261, 7), read leniently: what the doctor needs is often in what is
// wrong.
struct SipMessage {
  ivr::Time at{};
  ivr::Address source, destination;
  int status = 0;      // 0: a request
  std::string method;  // of a response: the one in its CSeq
  std::string uri, reason;
  std::string call_id, from_tag, to_tag;
  std::string from;  // the address of record in From, without tag
  std::uint32_t cseq = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // long names, lower case
  std::string body;

  bool request() const { return status == 0; }
  bool success() const { return status >= 200 && status < 300; }
  std::string_view header(std::string_view name) const;  // the first one's value, or empty
  bool has(std::string_view name) const;
};

struct HttpExchange {
  ivr::Time at{};
  ivr::Address client, server;
  std::string method, target, host;
  int status = 0;  // 0: the answer is not in the capture
};

struct RtpPacket {
  const Packet* packet = nullptr;  // of the capture
  ivr::RtpFrame frame;
};

// What a capture holds, in order of time: SIP over UDP and TCP on any port, plain HTTP (first lines and
// Host), and whatever else on UDP can be RTP. The capture must outlive it.
struct Trace {
  std::vector<SipMessage> sip;
  std::vector<HttpExchange> http;
  std::vector<RtpPacket> rtp;
  ivr::Time begin{}, end{};
};

Trace read_trace(const Capture& capture);
