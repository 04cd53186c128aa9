#include "edge/sofia_guard.hpp"

#include <sofia-sip/msg_buffer.h>

#include <cassert>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "edge/sofia_text.hpp"

namespace ivr {
namespace {

thread_local RequestGate* request_gate = nullptr;

bool reachable(const url_t* url) {
  return (url->url_type == url_sip || url->url_type == url_sips) && url->url_host && *url->url_host;
}

// The home that a header is parsed into is its message.
msg_t* message_of(su_home_t* home) { return reinterpret_cast<msg_t*>(home); }

// A REGISTER sets no session up: its Contact may be "*", and its reply lists whatever others have registered.
bool registers(su_home_t* home) {
  const sip_t* sip = sip_object(message_of(home));
  if (!sip) return false;
  if (sip->sip_request) return sip->sip_request->rq_method == sip_method_register;
  return sip->sip_cseq && sip->sip_cseq->cs_method == sip_method_register;
}

// Both parse their whole comma-separated list through themselves, one element a call.
issize_t parse_contact(su_home_t* home, msg_header_t* header, char* text, isize_t length) {
  const issize_t parsed = sip_contact_class->hc_parse(home, header, text, length);
  if (parsed < 0 || reachable(reinterpret_cast<const sip_contact_t*>(header)->m_url)) return parsed;
  return registers(home) ? parsed : -1;
}

// REFER and NOTIFY are for calls that are up. NUA would take a REFER from outside for the start of one and
// tell the address in its Contact so, whatever we answer; of a NOTIFY from outside it never forgets the
// handle.
issize_t parse_to(su_home_t* home, msg_header_t* header, char* text, isize_t length) {
  const issize_t parsed = sip_to_class->hc_parse(home, header, text, length);
  const sip_t* sip = sip_object(message_of(home));
  if (parsed < 0 || !sip || !sip->sip_request || reinterpret_cast<const sip_to_t*>(header)->a_tag)
    return parsed;
  const sip_method_t method = sip->sip_request->rq_method;
  return method == sip_method_refer || method == sip_method_notify ? -1 : parsed;
}

issize_t parse_record_route(su_home_t* home, msg_header_t* header, char* text, isize_t length) {
  const issize_t parsed = sip_record_route_class->hc_parse(home, header, text, length);
  return parsed >= 0 && reachable(reinterpret_cast<const sip_record_route_t*>(header)->r_url) ? parsed : -1;
}

// Two letters of a token (RFC 3261 section 25.1) are none to the library where it reads a method. They are
// put back once it has.
template <class Parse>
issize_t parse_method(char* text, const Parse& parse) {
  std::vector<std::pair<char*, char>> hidden;
  for (char* c = text; *c && *c != ' '; ++c)
    if (*c == '`' || *c == '+') hidden.emplace_back(c, std::exchange(*c, '_'));
  const issize_t parsed = parse();
  for (const auto& [where, letter] : hidden) *where = letter;
  return parsed;
}

issize_t parse_cseq(su_home_t* home, msg_header_t* header, char* text, isize_t length) {
  char* method = text + std::strspn(text, "0123456789 \t");
  return parse_method(method, [&] { return sip_cseq_class->hc_parse(home, header, text, length); });
}

// The library reads strings: a NUL would end the header, and over TCP the connection. One is legal, in a
// quoted string after a backslash (RFC 3261 section 25.1, RFC 4475 section 3.1.1.2); it is read as a space.
// The first line is parsed while the rest of the message lies behind it.
issize_t parse_request(su_home_t* home, msg_header_t* header, char* text, isize_t length) {
  auto* bytes = static_cast<char*>(msg_buf_committed_data(message_of(home)));
  const std::size_t size = msg_buf_committed(message_of(home));
  if (request_gate && bytes && text >= bytes && text + length < bytes + size) {
    const std::string_view rest(text + length + 1,
                                static_cast<std::size_t>(bytes + size - text - length - 1));
    const std::string_view first(text, static_cast<std::size_t>(length));
    // Behind the line is a NUL in place of its end, and perhaps the second half of that.
    const bool broken = rest.starts_with('\n');
    if (request_gate->takes(message_of(home), first, rest.substr(broken ? 1 : 0))) return -1;
  }
  for (std::size_t i = 1; bytes && i < size; ++i) {
    if (bytes[i] == '\0' && bytes[i - 1] == '\\') bytes[i] = ' ';
    if (i >= 3 && std::memcmp(bytes + i - 3, "\r\n\r\n", 4) == 0) break;
  }
  return parse_method(text, [&] { return sip_request_class->hc_parse(home, header, text, length); });
}

// A request of another version is answered 505 before anybody has looked at its Via, so the answer would go
// to the host named there and not to where the request came from, and of its protocol only SIP/2.0 is known.
issize_t parse_via(su_home_t* home, msg_header_t* header, char* text, isize_t length) {
  const issize_t parsed = sip_via_class->hc_parse(home, header, text, length);
  const sip_t* sip = sip_object(message_of(home));
  if (parsed < 0 || !sip || !sip->sip_request ||
      std::strcmp(sip->sip_request->rq_version, sip_version_2_0) == 0)
    return parsed;
  auto* via = reinterpret_cast<sip_via_t*>(header);
  const Address from = address_of(message_of(home));
  msg_header_replace_param(home, via->v_common, su_strdup(home, ("received=" + from.ip).c_str()));
  if (via->v_rport)
    msg_header_replace_param(home, via->v_common,
                             su_strdup(home, ("rport=" + std::to_string(from.port)).c_str()));
  const char* transport = std::strrchr(via->v_protocol, '/');
  via->v_protocol = transport && std::strcmp(transport, "/TCP") == 0 ? sip_transport_tcp : sip_transport_udp;
  return parsed;
}

msg_hclass_s with_parser(const msg_hclass_s& original, msg_parse_f* parse) {
  msg_hclass_s copy = original;
  copy.hc_parse = parse;
  return copy;
}

// Names are looked up along a probe chain and the first match wins; classes are looked up along the same
// chain by address. So ours takes the slot, for parsing, and the original moves to the next free one, for the
// headers that the library makes itself.
void replace(msg_mclass_t* messages, msg_hclass_t* original, msg_hclass_t* ours) {
  const unsigned size = static_cast<unsigned>(messages->mc_hash_size);
  unsigned slot = 0;
  while (slot < size && messages->mc_hash[slot].hr_class != original) ++slot;
  assert(slot < size && messages->mc_hash_used + 1 < messages->mc_hash_size);
  const msg_href_t reference = messages->mc_hash[slot];
  messages->mc_hash[slot].hr_class = ours;
  unsigned free = slot;
  while (messages->mc_hash[free].hr_class) free = (free + 1) % size;
  messages->mc_hash[free] = reference;
  ++messages->mc_hash_used;
  if (original->hc_short[0]) {
    auto* compact = const_cast<msg_href_t*>(messages->mc_short);  // the clone's own table
    compact[original->hc_short[0] - 'a'].hr_class = ours;
  }
}

}  // namespace

const msg_mclass_t* guarded_message_class() {
  static const msg_hclass_s contact = with_parser(*sip_contact_class, parse_contact);
  static const msg_hclass_s to = with_parser(*sip_to_class, parse_to);
  static const msg_hclass_s record_route = with_parser(*sip_record_route_class, parse_record_route);
  static const msg_hclass_s request = with_parser(*sip_request_class, parse_request);
  static const msg_hclass_s cseq = with_parser(*sip_cseq_class, parse_cseq);
  static const msg_hclass_s via = with_parser(*sip_via_class, parse_via);
  static const msg_mclass_t* const guarded = [] {
    msg_mclass_t* messages = msg_mclass_clone(sip_default_mclass(), 0, 0);
    if (!messages) return messages;
    messages->mc_request[0].hr_class = &request;
    replace(messages, sip_cseq_class, &cseq);
    replace(messages, sip_via_class, &via);
    replace(messages, sip_contact_class, &contact);
    replace(messages, sip_to_class, &to);
    replace(messages, sip_record_route_class, &record_route);
    return messages;
  }();
  return guarded;
}

void set_request_gate(RequestGate* gate) { request_gate = gate; }

bool has_no_way_back(const sip_t* invite) {
  return !invite->sip_contact && !reachable(invite->sip_from->a_url);
}

}  // namespace ivr
