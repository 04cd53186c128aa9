#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/early_media.hpp"
#include "edge/sofia_guard.hpp"
#include "edge/sofia_stack.hpp"
#include "edge/sofia_text.hpp"

// What NUA tells, in our words. Every handle that NUA makes for a request outside a call is given back at
// once.

namespace ivr {
namespace {

constexpr int kMostChallenges =
    3;  // of one request: a nonce may go stale under way, a wrong password stays wrong
constexpr int kMostGlares = 6;

const char* phrase_of(int status) {
  const char* phrase = sip_status_phrase(status);
  return phrase ? phrase : "Refused";
}

}  // namespace

void SofiaStack::on_nua(nua_event_t event, int status, const char* phrase, nua_t*, SofiaStack* self,
                        nua_handle_t* handle, SofiaLeg* leg, const sip_t* sip, tagi_t tags[]) {
  self->on_event(event, status, phrase, handle, leg, sip, tags);
}

void SofiaStack::on_event(nua_event_t event, int status, const char* phrase, nua_handle_t* handle,
                          SofiaLeg* leg, const sip_t* sip, tagi_t tags[]) {
  switch (event) {
    case nua_r_shutdown:
      if (status >= 200) down_ = true;
      return;
    case nua_i_invite:
      if (!leg) return on_invite(handle, sip);
      if (status < 200) on_reinvite(*leg, sip);
      return;
    case nua_i_ack:
      if (leg) on_ack(*leg, sip);
      return;
    case nua_i_cancel:
      if (leg && leg->state == SofiaLeg::State::early) {
        leg->state = SofiaLeg::State::ending;
        leg->ended.status = 487;
        leg->ended.reason = "cancelled";
      }
      return;
    case nua_i_bye:
      if (leg && leg->ended.reason.empty()) {
        leg->state = SofiaLeg::State::ending;
        leg->ended.reason = "BYE";
      }
      return;
    case nua_i_update:
    case nua_i_prack:
      if (leg && status < 200) on_body_request(*leg, sip, event == nua_i_prack);
      return;
    case nua_i_info:
      if (status < 200) on_info(handle, leg, sip);
      if (!leg) nua_handle_destroy(handle);
      return;
    case nua_i_register:
      if (status < 200) on_register(handle, sip);
      if (!leg) nua_handle_destroy(handle);
      return;
    case nua_i_refer:
      if (status < 200) on_refer(handle, leg, sip);
      if (!leg) nua_handle_destroy(handle);
      return;
    case nua_r_refer:
      if (leg) on_refer_reply(*leg, status, phrase, sip);
      return;
    case nua_i_notify:
      if (leg) on_notify(*leg, sip);
      if (!leg) nua_handle_destroy(handle);
      return;
    case nua_r_method: on_register_reply(handle, status, phrase, sip); return;
    case nua_r_invite:
      if (leg) on_invite_reply(*leg, status, phrase, sip);
      return;
    case nua_r_bye:
      // A BYE that was not ours is NUA's own: nobody refreshed the session in time (RFC 4028 section 10).
      if (leg && leg->state == SofiaLeg::State::up && leg->ended.reason.empty())
        leg->ended.reason = "session timer expired";
      [[fallthrough]];
    case nua_r_update:
    case nua_r_prack:
      if (leg && (status == 401 || status == 407)) on_challenge(*leg, status, phrase, sip);
      return;
    case nua_i_error:
      // No ACK or no PRACK within 64*T1. NUA has sent its BYE or 504; nobody may be there to hear it.
      if (leg && (status == 408 || status == 504)) {
        leg->ended.status = std::strncmp(phrase, "ACK", 3) == 0 ? 408 : 504;
        leg->ended.reason = reason_text(phrase);
        leg->ended.by_peer = true;
        end(*leg);
      }
      return;
    case nua_i_state: {
      int state = 0;
      tl_gets(tags, NUTAG_CALLSTATE_REF(state), TAG_END());
      if (leg && state == nua_callstate_terminated) on_terminated(*leg, status, phrase);
      return;
    }
    default:
      // Requests that NUA has answered itself (OPTIONS) leave a handle behind.
      if (handle && !leg && event < nua_r_set_params) nua_handle_destroy(handle);
      return;
  }
}

void SofiaStack::refuse(nua_handle_t* handle, int status) {
  nua_respond(handle, status, phrase_of(status),
              TAG_IF(status == 415 || status == 406, SIPTAG_ACCEPT_STR("application/sdp")), TAG_END());
}

void SofiaStack::tell_refused(RefusedFor why, int status, const sip_t* sip) {
  RefusedRequest request{.why = why, .status = status, .address = address_of(nua_current_request(nua_)).ip};
  if (sip->sip_request->rq_method == sip_method_register) request.method = "REGISTER";
  if (sip->sip_from) request.from = url_text(sip->sip_from->a_url);
  request.to = decoded_user(request.method == "REGISTER" && sip->sip_to ? sip->sip_to->a_url
                                                                        : sip->sip_request->rq_url);
  sink_(sip::Refused{std::move(request)});
}

// Before anything else is looked at. False: it has been answered.
bool SofiaStack::allowed(nua_handle_t* handle, const sip_t* sip) {
  if (options_.allow.empty() || options_.allow.contains(address_of(nua_current_request(nua_)).ip))
    return true;
  nua_respond(handle, SIP_403_FORBIDDEN, NUTAG_WITH_THIS(nua_), TAG_END());
  tell_refused(RefusedFor::not_allowed, 403, sip);
  return false;
}

void SofiaStack::on_invite(nua_handle_t* handle, const sip_t* sip) {
  if (!allowed(handle, sip)) {
    nua_handle_destroy(handle);
    return;
  }
  const int refused = stopping_ ? 503 : has_no_way_back(sip) ? 400 : refused_content(sip);
  if (refused) {
    refuse(handle, refused);
    nua_handle_destroy(handle);
    return;
  }
  std::string user;
  if (digest_ && !proves_who_it_is(handle, sip, "INVITE", claims_a_user(sip), user)) {
    nua_handle_destroy(handle);
    return;
  }
  LegId replaced = 0;
  if (const int status = refused_replaces(sip, replaced)) {
    refuse(handle, status);
    nua_handle_destroy(handle);
    return;
  }
  SofiaLeg& leg = open(handle);
  nua_handle_bind(handle, &leg);
  leg.call_id = sip->sip_call_id->i_id;
  leg.peer_tag = sip->sip_from->a_tag ? sip->sip_from->a_tag : "";
  leg.our_uri = "<" + url_text(sip->sip_to->a_url) + ">";
  leg.peer_updates = lists(sip->sip_allow, "UPDATE");
  leg.peer_times = lists(sip->sip_supported, "timer");
  leg.peer_allows_early = parse_early_media(unknown_header(sip, "P-Early-Media")).supported;
  leg.peer_acks_early = lists(sip->sip_supported, "100rel") || lists(sip->sip_require, "100rel");
  leg.peer_acks_all = lists(sip->sip_require, "100rel");

  sip::Invited invited;
  invited.leg = leg.id;
  invited.call_id = sip->sip_call_id->i_id;
  invited.from_tag = sip->sip_from->a_tag ? sip->sip_from->a_tag : "";
  invited.from_uri = url_text(sip->sip_from->a_url);
  invited.from_user = decoded_user(sip->sip_from->a_url);
  invited.from_display = display_text(sip->sip_from->a_display);
  invited.to_uri = url_text(sip->sip_to->a_url);
  invited.request_uri = url_text(sip->sip_request->rq_url);
  invited.request_user = decoded_user(sip->sip_request->rq_url);
  invited.replaces = replaced;
  invited.user = std::move(user);
  invited.offer = sdp_of(sip);
  invited.source = address_of(nua_current_request(nua_));
  invited.relayed = sip->sip_via != nullptr && sip->sip_via->v_next != nullptr;
  leg.late_offer = !invited.offer;
  if (!options_.external_ip.empty()) {
    const char* protocol = sip->sip_via ? sip->sip_via->v_protocol : "";
    leg.contact = far_contact(invited.source.ip, std::strcmp(protocol, "SIP/2.0/TCP") == 0);
  }
  const LegId id = leg.id;
  sink_(invited);
  say_trying(id);
}

// At once, unless something better was said meanwhile (RFC 3261 section 17.2.1).
void SofiaStack::say_trying(LegId id) {
  SofiaLeg* const leg = find(id);
  if (leg && ((leg->state == SofiaLeg::State::early && !leg->rung) || leg->reoffered))
    nua_respond(leg->handle, SIP_100_TRYING, TAG_END());
}

void SofiaStack::on_reinvite(SofiaLeg& leg, const sip_t* sip) {
  if (leg.state != SofiaLeg::State::up) return refuse(leg.handle, 491);
  if (const int refused = refused_content(sip)) return refuse(leg.handle, refused);
  leg.reoffered = true;
  sip::Offered offered{leg.id, sdp_of(sip), false};
  leg.we_offered = !offered.offer;
  const LegId id = leg.id;
  sink_(offered);
  say_trying(id);
}

void SofiaStack::on_ack(SofiaLeg& leg, const sip_t* sip) {
  if (leg.state == SofiaLeg::State::answered) {
    leg.state = SofiaLeg::State::up;
    if (sip->sip_to->a_tag) leg.our_tag = sip->sip_to->a_tag;
    if (leg.bye_when_acked) return send_bye(leg);
    std::optional<std::string> answer;
    if (leg.late_offer) answer = leg.early_sdp ? std::move(leg.early_sdp) : sdp_of(sip);
    sink_(sip::Established{leg.id, std::move(answer)});
  } else if (leg.we_offered && leg.state == SofiaLeg::State::up) {
    leg.we_offered = false;
    if (std::optional<std::string> answer = sdp_of(sip))
      sink_(sip::OfferAnswered{leg.id, std::move(*answer)});
    else
      sink_(sip::OfferRefused{leg.id, 488});
  }
}

void SofiaStack::on_body_request(SofiaLeg& leg, const sip_t* sip, bool prack) {
  const auto reply = [&](int status) {
    // Somewhere in 0 to 10 seconds (RFC 3311 section 5.2).
    const std::string seconds = std::to_string(su_randint(0, 10));
    nua_respond(leg.handle, status, phrase_of(status), NUTAG_WITH_THIS(nua_),
                TAG_IF(status == 500, SIPTAG_RETRY_AFTER_STR(seconds.c_str())),
                TAG_IF(status == 415 || status == 406, SIPTAG_ACCEPT_STR("application/sdp")),
                TAG_IF(status == 200 && !leg.contact.empty(), SIPTAG_CONTACT_STR(leg.contact.c_str())),
                TAG_END());
  };
  if (const int refused = refused_content(sip)) return reply(refused);
  std::optional<std::string> sdp = sdp_of(sip);
  if (!sdp) return reply(200);  // a session refresh, or a plain PRACK
  if (prack && leg.late_offer && !leg.early_sdp) {
    leg.early_sdp = std::move(sdp);  // the answer to our offer in the provisional
    return reply(200);
  }
  const bool unanswered = leg.reoffered || leg.request ||
                          (!leg.outbound && leg.state == SofiaLeg::State::early && !leg.early_answered);
  if (leg.state == SofiaLeg::State::ending) return reply(481);
  if (leg.offering || (leg.outbound && leg.state == SofiaLeg::State::early && !leg.early_sdp))
    return reply(491);
  if (unanswered) return reply(500);
  leg.request = msg_ref(nua_current_request(nua_));
  sink_(sip::Offered{leg.id, std::move(sdp), true});
}

void SofiaStack::on_info(nua_handle_t* handle, SofiaLeg* leg, const sip_t* sip) {
  char digit = 0;
  Millis duration{0};
  const bool empty = !sip->sip_payload || sip->sip_payload->pl_len == 0;
  const InfoBody body = parse_info(sip, digit, duration);
  const int status = !leg                          ? 481
                     : body == InfoBody::digit     ? 200
                     : body == InfoBody::malformed ? 400
                     : empty                       ? 200
                                                   : 415;
  nua_respond(handle, status, phrase_of(status), NUTAG_WITH_THIS(nua_),
              TAG_IF(status == 415, SIPTAG_ACCEPT_STR("application/dtmf-relay, application/dtmf")),
              TAG_END());
  if (status == 200 && body == InfoBody::digit && leg->state != SofiaLeg::State::ending)
    sink_(sip::Digit{leg->id, digit, duration});
}

void SofiaStack::on_invite_reply(SofiaLeg& leg, int status, const char* phrase, const sip_t* sip) {
  if (status == 401 || status == 407) return on_challenge(leg, status, phrase, sip);
  if (leg.state == SofiaLeg::State::up) return on_reinvite_reply(leg, status, sip);
  std::optional<std::string> sdp = sdp_of(sip);
  if (sip && status < 300 && sip->sip_to->a_tag) {
    leg.call_id = sip->sip_call_id->i_id;
    leg.our_tag = sip->sip_from->a_tag ? sip->sip_from->a_tag : "";
    leg.peer_tag = sip->sip_to->a_tag;
  }
  if (status < 200) {
    if (status == 100 || leg.state != SofiaLeg::State::early) return;
    if (sdp) leg.early_sdp = sdp;
    sink_(sip::Ringing{leg.id, status, std::move(sdp),
                       parse_early_media(unknown_header(sip, "P-Early-Media")).direction});
    return;
  }
  if (status >= 300) {  // the state change that ends the leg follows
    if (leg.ended.by_peer) {
      // Above 700 it is NUA that speaks: with our credentials it could not meet the challenge, or worse.
      leg.ended.status = status < 700 ? status : leg.challenged_with ? leg.challenged_with : 500;
      leg.ended.reason = reason_text(phrase);
      leg.ended.retry_after = retry_after_of(sip);
    }
    return;
  }
  if (leg.outbound && leg.state == SofiaLeg::State::early) {
    leg.challenges = leg.challenged_with = 0;
    leg.state = SofiaLeg::State::up;
    leg.peer_updates = lists(sip->sip_allow, "UPDATE");
    // The answer may have come before the 200, and then need not be in it.
    if (!sdp) sdp = std::move(leg.early_sdp);
    nua_ack(leg.handle, NUTAG_UPDATE_REFRESH(leg.peer_updates), TAG_END());
    if (!sdp) {
      leg.ended.status = 488;
      leg.ended.reason = "the 200 has no SDP";
      leg.ended.by_peer = true;
      return send_bye(leg);
    }
    sink_(sip::Answered{leg.id, std::move(*sdp)});
  } else if (leg.outbound && leg.state == SofiaLeg::State::ending) {
    nua_ack(leg.handle, TAG_END());  // 200 and CANCEL crossed
    leg.ended.status = 0;
    send_bye(leg);
  }
}

void SofiaStack::on_reinvite_reply(SofiaLeg& leg, int status, const sip_t* sip) {
  if (status < 200) return;
  std::optional<std::string> sdp = sdp_of(sip);
  if (status < 300) {
    leg.challenges = 0;
    // NUA's own refresh of a session timer towards a peer without UPDATE: its SDP is an offer if we were
    // called.
    const bool answer_in_ack = !leg.offering && !leg.outbound && sdp && !leg.sdp.empty();
    nua_ack(leg.handle, TAG_IF(answer_in_ack, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
            TAG_IF(answer_in_ack, SIPTAG_PAYLOAD_STR(leg.sdp.c_str())), TAG_END());
    if (!leg.offering) return;
    leg.offering = false;
    leg.sdp = std::move(leg.own_offer);
    if (sdp)
      sink_(sip::OfferAnswered{leg.id, std::move(*sdp)});
    else
      sink_(sip::OfferRefused{leg.id, 488});
    return;
  }
  if (!leg.offering) return;
  leg.offering = false;
  if (status == 491 && ++leg.glares <= kMostGlares) return retry_offer(leg);
  sink_(sip::OfferRefused{leg.id, status < 700 ? status : 500});
}

// Both sides offered at once: the one that made the call waits 2.1 to 4 s, the other 0 to 2 s (RFC
// 3261 14.1).
void SofiaStack::retry_offer(SofiaLeg& leg) {
  const int wait_ms = leg.outbound ? su_randint(210, 400) * 10 : su_randint(0, 200) * 10;
  leg.offer_waits = true;
  if (!leg.timer) leg.timer = su_timer_create(su_root_task(root_), 0);
  su_timer_set_interval(
      leg.timer,
      [](SofiaStack*, su_timer_t*, SofiaLeg* waiting) {
        if (waiting->state == SofiaLeg::State::up && waiting->offer_waits)
          waiting->stack->send_offer(*waiting);
      },
      &leg, wait_ms);
}

void SofiaStack::on_challenge(SofiaLeg& leg, int status, const char* phrase, const sip_t* sip) {
  leg.challenged_with = status;
  const msg_auth_t* challenge = !sip            ? nullptr
                                : status == 401 ? sip->sip_www_authenticate
                                                : sip->sip_proxy_authenticate;
  const char* realm = challenge ? msg_params_find(challenge->au_params, "realm=") : nullptr;
  if (realm && !leg.auth_user.empty() && ++leg.challenges <= kMostChallenges) {
    std::string quoted = *realm == '"' ? realm : "\"" + std::string(realm) + "\"";
    const std::string auth =
        std::string(challenge->au_scheme) + ":" + quoted + ":" + leg.auth_user + ":" + leg.auth_password;
    nua_authenticate(leg.handle, NUTAG_AUTH(auth.c_str()), TAG_END());
    return;
  }
  // NUA would wait for credentials for ever.
  if (leg.state == SofiaLeg::State::up) {
    if (sip && sip->sip_cseq->cs_method == sip_method_refer) return refer_over(leg, status);
    if (std::exchange(leg.offering, false)) sink_(sip::OfferRefused{leg.id, status});
    return;
  }
  if (leg.ended.by_peer) {
    leg.ended.status = status;
    leg.ended.reason = reason_text(phrase);
  }
  end(leg);
}

void SofiaStack::on_terminated(SofiaLeg& leg, int status, const char* phrase) {
  if (leg.ended.reason.empty() && leg.ended.by_peer) leg.ended.reason = reason_text(phrase);
  if (leg.ended.status == 0 && leg.state == SofiaLeg::State::early && status >= 300)
    leg.ended.status = status < 700 ? status : 500;
  end(leg);
}

}  // namespace ivr
