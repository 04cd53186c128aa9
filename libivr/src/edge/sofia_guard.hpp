#pragma once
#include <string_view>

#include "edge/sofia.hpp"

namespace ivr {

// The message class that every stack here parses with. It is sofia's own, but for these: a Contact or a
// Record-Route that is not a SIP or SIPS URI with a host is a syntax error (RFC 3261 sections 8.1.1.8
// and 20.30 know no other where a session is set up; REGISTER sets none up). The transaction layer then
// answers a request with 400 and drops a response or an ACK, before NUA sees it. NUA would take such an
// address for the next hop, find that no BYE can be sent there, and try again on a deeper stack until there
// is none left.
// A REFER or NOTIFY outside a call is answered 400 likewise.
//
// Thread: any; made once and never changed.
const msg_mclass_t* guarded_message_class();

// Sees each request of a thread before it is parsed.
class RequestGate {
 public:
  virtual ~RequestGate() = default;
  // `first`: the request line, `rest`: all behind it. True: it has been dealt with, nobody else sees it.
  virtual bool takes(msg_t* message, std::string_view first, std::string_view rest) = 0;
};
// Of this thread, until it says otherwise; null: none.
void set_request_gate(RequestGate* gate);

// Without a Contact NUA calls back the From URI, and that may be anything. True: this is one it cannot use.
bool has_no_way_back(const sip_t* invite);

}  // namespace ivr
