#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "ivr/base.hpp"
#include "observed_call.hpp"

// The troubles that calls have in the field, and what they are called in reports.
enum class Cause {
  wrong_ip,       // an address in SDP that the peer cannot reach, or from which nothing comes
  no_dtmf,        // keys have no way, or take one that nobody listens on
  hangup_32s,     // a 200 without ACK
  broad_match,    // 403 before anybody asked who it is
  one_way_audio,  // RTP in one direction only
  timer_hangup,   // a session that nobody refreshed
  path_or_query,  // 404 for the form of the URL
  rtp_ports,      // a configuration only: the port range
};

std::string_view name_of(Cause cause);   // "wrong-ip-in-sdp"
std::string_view title_of(Cause cause);  // "wrong IP in SDP"

struct Diagnosis {
  Cause cause{};
  bool certain = false;  // false: the likely cause of what was seen
  std::string where;     // the Call-ID, "METHOD URL", or a place in the configuration
  ivr::Time at{};        // the packet that shows it; zero in a configuration
  std::string seen;      // facts
  std::string why;       // how they make the trouble
  std::string mend;
  std::string clause;
};

struct Report {
  std::vector<Diagnosis> findings;
  std::vector<std::string> notes;  // worth knowing, no trouble by itself
};

// Each adds what it finds; the clause of a finding is the reason why it is one.
void diagnose_addresses(const ObservedCall& call, Report& report);
void diagnose_media(const ObservedCall& call, const Trace& trace, Report& report);
void diagnose_hangup(const ObservedCall& call, const Trace& trace, Report& report);
void diagnose_refusals(const std::vector<ObservedCall>& calls, Report& report);
void diagnose_http(const Trace& trace, Report& report);
// NotFound or InvalidArgument: the file, or a flow that it names, cannot be read.
absl::Status diagnose_config(const std::string& path, Report& report);
