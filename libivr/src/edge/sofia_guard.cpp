#include "edge/sofia_guard.hpp"

#include <cassert>

namespace ivr {
namespace {

bool reachable(const url_t* url) {
  return (url->url_type == url_sip || url->url_type == url_sips) && url->url_host && *url->url_host;
}

// Both parse their whole comma-separated list through themselves, one element a call.
issize_t parse_contact(su_home_t* home, msg_header_t* header, char* text, isize_t length) {
  const issize_t parsed = sip_contact_class->hc_parse(home, header, text, length);
  return parsed >= 0 && reachable(reinterpret_cast<const sip_contact_t*>(header)->m_url) ? parsed : -1;
}

issize_t parse_record_route(su_home_t* home, msg_header_t* header, char* text, isize_t length) {
  const issize_t parsed = sip_record_route_class->hc_parse(home, header, text, length);
  return parsed >= 0 && reachable(reinterpret_cast<const sip_record_route_t*>(header)->r_url) ? parsed : -1;
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
  static const msg_hclass_s record_route = with_parser(*sip_record_route_class, parse_record_route);
  static const msg_mclass_t* const guarded = [] {
    msg_mclass_t* messages = msg_mclass_clone(sip_default_mclass(), 0, 0);
    if (!messages) return messages;
    replace(messages, sip_contact_class, &contact);
    replace(messages, sip_record_route_class, &record_route);
    return messages;
  }();
  return guarded;
}

bool has_no_way_back(const sip_t* invite) {
  return !invite->sip_contact && !reachable(invite->sip_from->a_url);
}

}  // namespace ivr
