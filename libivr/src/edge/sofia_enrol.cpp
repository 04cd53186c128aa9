#include <algorithm>
#include <cstdlib>
#include <random>
#include <utility>

#include "core/sha256.hpp"
#include "core/sip_uri.hpp"
#include "edge/sofia_md5.hpp"
#include "edge/sofia_stack.hpp"
#include "edge/sofia_text.hpp"

// Our registrations elsewhere. NUA would refresh them itself, but its digest knows MD5 alone, and it would
// put the contact of one of them into every call; so each REGISTER is a request of its own.

namespace ivr {
namespace {

constexpr Millis kUngranted = 3600s;  // a 200 that does not say how long (RFC 3261, 10.2.4)

// What a 200 grants to `contact`.
Millis granted(const sip_t* sip, const std::string& contact) {
  const auto ours = parse_sip_uri(contact);
  const auto seconds = [](unsigned long s) { return Millis(std::chrono::seconds(std::min(s, 1'000'000ul))); };
  for (const sip_contact_t* each = sip->sip_contact; each; each = each->m_next) {
    const auto theirs = parse_sip_uri(url_text(each->m_url));
    if (theirs && ours && same_uri(*theirs, *ours) && each->m_expires)
      return seconds(std::strtoul(each->m_expires, nullptr, 10));
  }
  return sip->sip_expires ? seconds(sip->sip_expires->ex_delta) : kUngranted;
}

}  // namespace

std::uint64_t SofiaStack::enrol(const sip::Enrol& enrolment) {
  if (!nua_ || stopping_) return 0;
  const std::uint64_t id = ++last_enrolment_;
  wake();
  const std::string registrar = one_line(enrolment.registrar);
  const auto uri = parse_sip_uri(registrar);
  if (!uri || uri->scheme != "sip" || enrolment.user.empty() || enrolment.expires < 1s) {
    const std::string what = enrolment.user.empty()   ? "a registration needs a user"
                             : enrolment.expires < 1s ? "a registration lasts at least 1 s"
                                                      : "'" + registrar + "' is not a SIP URI";
    deferred_.push_back(sip::Enrolled{id, false, 400, what});
    return id;
  }
  const std::string user = escaped_user(enrolment.user) + "@";
  const std::string* transport = uri->parameter("transport");
  const bool tcp = !options_.udp || (transport && same_word(*transport, "tcp"));
  const std::uint64_t seed = std::uint64_t{std::random_device{}()} << 32 | std::random_device{}();
  SofiaEnrolment each{id, Enrolment(enrolment, registrar, seed, md5_hex)};
  each.registrar = registrar;
  each.address = "<sip:" + user + uri->host + (uri->port ? ":" + std::to_string(uri->port) : "") + ">";
  each.user = user;
  each.tcp = tcp;
  each.far = !options_.external_ip.empty() && !is_near(uri->host);
  each.contact = contact_of(each);
  each.call_id = hmac_sha256_hex(std::to_string(seed), each.contact).substr(0, 32);
  enrolments_.push_back(std::move(each));
  return id;
}

std::string SofiaStack::contact_of(const SofiaEnrolment& each) const {
  return "sip:" + each.user + bracketed(each.far ? options_.external_ip : local_.ip) + ":" +
         std::to_string(local_.port) + (each.tcp ? ";transport=tcp" : "");
}

void SofiaStack::set_external_ip(const std::string& ip) {
  if (ip == options_.external_ip) return;
  options_.external_ip = ip;
  for (SofiaEnrolment& each : enrolments_) {
    if (!each.far) continue;
    each.contact = contact_of(each);
    each.rules.renew(clock_.now());
  }
  wake();
}

void SofiaStack::withdraw(std::uint64_t id) {
  const auto each = std::ranges::find(enrolments_, id, &SofiaEnrolment::id);
  if (each == enrolments_.end()) return;
  each->rules.withdraw(clock_.now());
  wake();
}

void SofiaStack::withdraw_all() {
  for (SofiaEnrolment& each : enrolments_) each.rules.withdraw(clock_.now());
}

void SofiaStack::send_register(SofiaEnrolment& each, const Enrolment::Request& request) {
  each.handle =
      nua_handle(nua_, nullptr, NUTAG_URL(each.registrar.c_str()), SIPTAG_TO_STR(each.address.c_str()),
                 SIPTAG_FROM_STR(each.address.c_str()), TAG_END());
  const std::string cseq = std::to_string(request.cseq) + " REGISTER", contact = "<" + each.contact + ">";
  const std::string expires = std::to_string(request.expires / 1s);
  const char* credentials = request.authorization.empty() ? nullptr : request.authorization.c_str();
  nua_method(each.handle, NUTAG_METHOD("REGISTER"), SIPTAG_CALL_ID_STR(each.call_id.c_str()),
             SIPTAG_CSEQ_STR(cseq.c_str()), SIPTAG_CONTACT_STR(contact.c_str()),
             SIPTAG_EXPIRES_STR(expires.c_str()),
             TAG_IF(credentials && !request.proxy, SIPTAG_AUTHORIZATION_STR(credentials)),
             TAG_IF(credentials && request.proxy, SIPTAG_PROXY_AUTHORIZATION_STR(credentials)), TAG_END());
}

void SofiaStack::on_register_reply(nua_handle_t* handle, int status, const char* phrase, const sip_t* sip) {
  const auto each = std::ranges::find(enrolments_, handle, &SofiaEnrolment::handle);
  if (each == enrolments_.end()) return;
  // NUA has sent it again itself, with what the 423 asks for, but with credentials that are used up.
  if (status < 200 && sip && sip->sip_min_expires)
    each->rules.lasts_at_least(std::chrono::seconds(sip->sip_min_expires->me_delta));
  if (status < 200) return;
  Enrolment::Reply reply;
  reply.status = status < 700 ? status : 500;  // above it is NUA that speaks
  reply.reason = reason_text(phrase);
  reply.retry_after = retry_after_of(sip);
  if (sip) {
    reply.cseq = sip->sip_cseq ? sip->sip_cseq->cs_seq : 0;
    reply.granted = granted(sip, each->contact);
    reply.proxy = status == 407;
    for (const msg_auth_t* one = reply.proxy ? sip->sip_proxy_authenticate : sip->sip_www_authenticate; one;
         one = one->au_next)
      reply.challenges.push_back(auth_text(one));
  }
  each->handle = nullptr;
  auto told = each->rules.replied(reply, clock_.now());
  if (told) told->enrolment = each->id;
  nua_handle_destroy(handle);
  if (told && !stopping_) sink_(*told);
}

}  // namespace ivr
