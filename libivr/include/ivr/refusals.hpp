#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "ivr/base.hpp"

namespace ivr {

// Why a request was refused, for whoever bars addresses. The words are for ever: filters look for them.
enum class RefusedFor : std::uint8_t {
  not_allowed,     // the address is in no network of SipOptions::allow
  bad_password,    // credentials that are not right
  barred,          // too many of those from there
  no_extension,    // nobody has this number
  limit,           // Limits: calls at once or a second
  blocked,         // the caller is on the list "block"
  too_often,       // the caller calls more often than the site's rules allow
  not_acceptable,  // an offer that we cannot take, or a replaced call that is not there
  busy,            // no port, media late, or shutting down: nothing the caller did
};
std::string_view to_string(RefusedFor why) noexcept;  // "not-allowed"...

struct RefusedRequest {
  RefusedFor why = RefusedFor::busy;
  int status = 0;
  std::string method = "INVITE";  // or "REGISTER"
  std::string address;            // where the packet came from; never what a header says
  std::string from, to;           // URI of From, user of the Request-URI: whatever the sender likes
};

// One line without an end, the same in all versions (docs/ivr-serve.md):
//
//   2026-11-21T21:36:15Z refused address=192.0.2.7 reason=not-allowed status=403 method=INVITE from="sip:a@b"
//   to="2001"
//
// What the sender chose stands last, in quotes, at most 200 bytes of each, and every byte of it that is not
// printable ASCII, a quote or a backslash is \xNN: no request can write a line of its own or look like
// another.
std::string refusal_line(const RefusedRequest& request, Time at);

}  // namespace ivr
