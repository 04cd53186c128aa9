#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "edge/sofia.hpp"
#include "ivr/ports.hpp"

// Between sofia's parsed headers and our strings. Pure functions; null pointers are empty results.

namespace ivr {

std::string url_text(const url_t* url);
std::string decoded_user(const url_t* url);          // %41 is 'A'; %00 stays inside the string
std::string escaped_user(std::string_view user);     // the other way round
std::string escaped_header(std::string_view value);  // to be one in the headers of a URI
std::string unescaped(std::string_view text);
std::string bracketed(const std::string& ip);            // as the host of a URI
bool same_word(std::string_view a, std::string_view b);  // whatever the case of its letters
std::string display_text(const char* display);           // without quotes
std::string reason_text(const char* phrase);
Address address_of(const su_sockaddr_t& at);
Address address_of(msg_t* message);  // where it came from

// The SDP of a message, if its body is one.
std::optional<std::string> sdp_of(const sip_t* sip);

// 0, or the status that an INVITE or UPDATE we cannot serve gets: 400 (cut off), 415 (body) or 406 (Accept).
int refused_content(const sip_t* sip);

bool contains(const msg_param_t* items, std::string_view item);
template <class Header>  // Supported, Require, Allow
bool lists(const Header* list, std::string_view item) {
  return list && contains(list->k_items, item);
}
std::optional<Millis> retry_after_of(const sip_t* sip);

// A header that the library has no class for: its values, joined by commas (RFC 3261 section 7.3.1).
std::string unknown_header(const sip_t* sip, std::string_view name);

// Authorization, WWW-Authenticate and their like as the text they were: "Digest realm=...".
std::string auth_text(const msg_auth_t* header);

// The digit of an INFO body: application/dtmf-relay ("Signal=5\r\nDuration=160") or application/dtmf ("5").
enum class InfoBody { digit, malformed, other };
InfoBody parse_info(const sip_t* sip, char& digit, Millis& duration);

// One line of header text: control characters out, so nothing that a user gives can add a header.
std::string one_line(std::string_view text);

// Is `ip` on this machine or in a subnet of one of its interfaces?
bool is_near(const std::string& ip);

}  // namespace ivr
