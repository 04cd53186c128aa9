#include "edge/sofia_guard.hpp"

#include <cassert>

namespace ivr {
namespace {

issize_t parse_contact(su_home_t* home, msg_header_t* header, char* text, isize_t length) {
  const issize_t parsed = sip_contact_class->hc_parse(home, header, text, length);
  if (parsed < 0) return parsed;
  const auto* contact = reinterpret_cast<const sip_contact_t*>(header);
  const bool sip = contact->m_url->url_type == url_sip || contact->m_url->url_type == url_sips;
  return sip && contact->m_url->url_host && *contact->m_url->url_host ? parsed : -1;
}

msg_mclass_t* make_message_class() {
  static msg_hclass_s contact = [] {
    msg_hclass_s copy = *sip_contact_class;
    copy.hc_parse = parse_contact;
    return copy;
  }();

  msg_mclass_t* messages = msg_mclass_clone(sip_default_mclass(), 0, 0);
  if (!messages) return nullptr;
  // Names are looked up along a probe chain and the first match wins; classes are looked up along the same
  // chain by address. So ours takes the slot, for parsing, and the original moves to the next free one, for
  // the headers that the library makes itself.
  const unsigned size = static_cast<unsigned>(messages->mc_hash_size);
  unsigned slot = 0;
  while (slot < size && messages->mc_hash[slot].hr_class != sip_contact_class) ++slot;
  assert(slot < size && messages->mc_hash_used + 1 < messages->mc_hash_size);
  const msg_href_t original = messages->mc_hash[slot];
  messages->mc_hash[slot].hr_class = &contact;
  unsigned free = slot;
  while (messages->mc_hash[free].hr_class) free = (free + 1) % size;
  messages->mc_hash[free] = original;
  ++messages->mc_hash_used;

  auto* compact = const_cast<msg_href_t*>(messages->mc_short);  // the clone's own table
  compact['m' - 'a'].hr_class = &contact;
  return messages;
}

}  // namespace

const msg_mclass_t* guarded_message_class() {
  static const msg_mclass_t* const messages = make_message_class();
  return messages;
}

}  // namespace ivr
