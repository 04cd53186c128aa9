#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <random>

#include "core/sip_uri.hpp"
#include "edge/sofia_md5.hpp"
#include "edge/sofia_stack.hpp"
#include "edge/sofia_text.hpp"

// REGISTER, and who has proved to be whom.

namespace ivr {
namespace {

std::string random_key() {
  std::random_device device;
  std::string key;
  for (int i = 0; i < 8; ++i) {
    const std::uint32_t bits = device();
    key.append(reinterpret_cast<const char*>(&bits), sizeof bits);
  }
  return key;
}

std::optional<std::uint32_t> number(const char* text) {
  if (!text) return std::nullopt;
  std::uint32_t value = 0;
  const char* end = text + std::strlen(text);
  const auto [read, error] = std::from_chars(text, end, value);
  if (read != end || end == text) return std::nullopt;  // what cannot be read is as if it were not there
  return error == std::errc::result_out_of_range ? UINT32_MAX : value;
}

bool names_this(const DigestFields& credentials, const url_t* request) {
  const std::string text = url_text(request);
  if (credentials.uri == text) return true;
  const auto theirs = parse_sip_uri(credentials.uri), ours = parse_sip_uri(text);
  return theirs && ours && same_uri(*theirs, *ours);
}

// The credentials for `realm`, of those a request has.
std::optional<DigestFields> credentials_for(const std::string& realm, const sip_t* sip) {
  for (const msg_auth_t* each = sip->sip_authorization; each; each = each->au_next) {
    auto fields = parse_digest(auth_text(each));
    if (fields && fields->realm == realm) return fields;
  }
  return std::nullopt;
}

}  // namespace

absl::Status SofiaStack::start_registrar() {
  digest_.reset();
  registrar_.reset();
  failures_ = FailureLimit();
  if (options_.users.empty()) return absl::OkStatus();
  auto digest = DigestServer::create(
      {.realm = options_.realm, .key = random_key(), .users = options_.users, .md5 = md5_hex});
  if (!digest.ok()) return digest.status();
  auto registrar = Registrar::create({.min_expires = options_.min_expires,
                                      .default_expires = options_.default_expires,
                                      .max_expires = options_.max_expires});
  if (!registrar.ok()) return registrar.status();
  digest_.emplace(*std::move(digest));
  registrar_.emplace(*std::move(registrar));
  const Time now = clock_.now();
  for (const sip::Registered& kept : options_.registered) {
    if (!digest_->has_user(kept.user)) continue;
    registrar_->restore(kept, now);
    deferred_.push_back(sip::Registered{kept.user, registrar_->contacts(kept.user, now)});
  }
  return absl::OkStatus();
}

// Is it somebody who says to be one of our users, at our address?
bool SofiaStack::claims_a_user(const sip_t* sip) const {
  const url_t* from = sip->sip_from->a_url;
  if (!from->url_host || !digest_->has_user(decoded_user(from))) return false;
  const std::string host = from->url_host;
  const char* asked = sip->sip_request->rq_url->url_host;
  return host == local_.ip || host == options_.external_ip || host == options_.realm ||
         (asked && host == asked);
}

// False: it has been answered. Credentials that come are judged even where none must come.
bool SofiaStack::proves_who_it_is(nua_handle_t* handle, const sip_t* sip, std::string_view method, bool must,
                                  std::string& user) {
  const Time now = clock_.now();
  const Address source = address_of(nua_current_request(nua_));
  const auto credentials = credentials_for(options_.realm, sip);
  if (!credentials && !must) return true;
  if (credentials && failures_.bars(source.ip, now)) {
    nua_respond(handle, SIP_503_SERVICE_UNAVAILABLE, NUTAG_WITH_THIS(nua_), SIPTAG_RETRY_AFTER_STR("60"),
                TAG_END());
    tell_refused(RefusedFor::barred, 503, sip);
    return false;
  }
  if (credentials && !names_this(*credentials, sip->sip_request->rq_url)) {
    nua_respond(handle, 400, "Credentials for another URI", NUTAG_WITH_THIS(nua_), TAG_END());
    return false;
  }
  DigestServer::Verdict verdict = DigestServer::Verdict::wrong;
  if (credentials) verdict = digest_->verify(*credentials, method, now);
  if (verdict == DigestServer::Verdict::right) {
    user = credentials->username;
    return true;
  }
  std::string headers;
  for (const std::string& each : digest_->challenges(now, verdict == DigestServer::Verdict::stale))
    headers += "WWW-Authenticate: " + each + "\r\n";
  nua_respond(handle, SIP_401_UNAUTHORIZED, NUTAG_WITH_THIS(nua_), SIPTAG_HEADER_STR(headers.c_str()),
              TAG_END());
  if (credentials && verdict == DigestServer::Verdict::wrong) {
    failures_.failed(source.ip, now);
    sink_(sip::Unauthorized{credentials->username, source});
    tell_refused(RefusedFor::bad_password, 401, sip);
  }
  return false;
}

void SofiaStack::on_register(nua_handle_t* handle, const sip_t* sip) {
  const auto refuse_with = [&](int status, const char* phrase) {
    nua_respond(handle, status, phrase, NUTAG_WITH_THIS(nua_), TAG_END());
  };
  if (!allowed(handle, sip)) return;
  if (stopping_) return refuse_with(SIP_503_SERVICE_UNAVAILABLE);
  std::string user;
  if (!proves_who_it_is(handle, sip, "REGISTER", true, user)) return;
  if (user != decoded_user(sip->sip_to->a_url)) return refuse_with(403, "Not your address");

  RegisterRequest request;
  request.user = user;
  request.call_id = sip->sip_call_id->i_id;
  request.cseq = sip->sip_cseq->cs_seq;
  if (sip->sip_expires && !sip->sip_expires->ex_date)
    request.expires_s = static_cast<std::uint32_t>(sip->sip_expires->ex_delta);
  request.source = address_of(nua_current_request(nua_));
  request.relayed = sip->sip_via && sip->sip_via->v_next;
  request.transport =
      sip->sip_via && std::strcmp(sip->sip_via->v_protocol, sip_transport_tcp) == 0 ? "tcp" : "udp";
  for (const sip_contact_t* each = sip->sip_contact; each; each = each->m_next) {
    if (each->m_url->url_type == url_any) {
      request.all = true;
      continue;
    }
    RegisterRequest::Contact contact;
    contact.uri = url_text(each->m_url);
    contact.expires_s = number(each->m_expires);
    if (each->m_q) contact.q = std::strtod(each->m_q, nullptr);
    if (const char* instance = msg_params_find(each->m_params, "+sip.instance=")) contact.instance = instance;
    request.contacts.push_back(std::move(contact));
  }
  const RegisterReply reply = registrar_->handle(request, clock_.now());
  std::string headers;
  for (const auto& [uri, left] : reply.bindings)
    headers += "Contact: <" + uri + ">;expires=" + std::to_string(left / 1s) + "\r\n";
  if (reply.status == 423) headers = "Min-Expires: " + std::to_string(reply.min_expires / 1s) + "\r\n";
  nua_respond(handle, reply.status,
              reply.reason.empty()
                  ? sip_status_phrase(reply.status)
                  : su_strdup(nua_handle_home(handle), reply.reason.c_str()),  // NUA keeps the pointer
              NUTAG_WITH_THIS(nua_), TAG_IF(!headers.empty(), SIPTAG_HEADER_STR(headers.c_str())), TAG_END());
  if (reply.status == 200 && reply.changed) tell_contacts(user);
}

void SofiaStack::tell_contacts(const std::string& user) {
  sink_(sip::Registered{user, registrar_->contacts(user, clock_.now())});
}

}  // namespace ivr
