#include <algorithm>
#include <charconv>
#include <utility>

#include "core/sip_uri.hpp"
#include "edge/sofia_stack.hpp"
#include "edge/sofia_text.hpp"

// REFER with its NOTIFYs (RFC 3515), Referred-By (RFC 3892) and Replaces (RFC 3891).

namespace ivr {
namespace {

// Is there one too many of a header, or one that cannot be read?
bool is_wrong(const sip_t* sip, const msg_hclass_t* header) {
  for (const msg_error_t* each = sip->sip_error; each; each = each->er_next)
    if (each->er_common->h_class == header || (each->er_common->h_class == sip_error_class && each->er_name &&
                                               same_word(each->er_name, header->hc_name)))
      return true;
  return false;
}

// One header out of those a URI carries: "Replaces=abc%40x%3Bto-tag%3D1&Priority=...".
std::string header_in(const url_t* url, std::string_view name) {
  std::string_view rest = url->url_headers ? url->url_headers : "";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view each = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = each.find('=');
    if (equals != std::string_view::npos && same_word(each.substr(0, equals), name))
      return one_line(unescaped(each.substr(equals + 1)));
  }
  return {};
}

// The status in a message/sipfrag: "SIP/2.0 180 Ringing". 0: there is none.
int fragment_status(const sip_t* sip) {
  if (!sip || !sip->sip_payload || !sip->sip_payload->pl_data) return 0;
  const std::string_view body(sip->sip_payload->pl_data, sip->sip_payload->pl_len);
  constexpr std::string_view kStart = "SIP/2.0 ";
  if (body.size() < kStart.size() + 3 || !same_word(body.substr(0, kStart.size()), kStart)) return 0;
  int status = 0;
  const char* digits = body.data() + kStart.size();
  const auto [end, error] = std::from_chars(digits, digits + 3, status);
  return error == std::errc() && end == digits + 3 && status >= 100 && status <= 699 ? status : 0;
}

}  // namespace

// ------------------------------------------------------------------------------ dialogs by their tags

SofiaLeg* SofiaStack::find_dialog(const sip_replaces_t& replaces) {
  const auto is = [](const char* theirs, const std::string& ours) {
    return theirs && *theirs && ours == theirs;
  };
  for (const auto& [id, leg] : legs_)
    if (is(replaces.rp_call_id, leg->call_id) && is(replaces.rp_to_tag, leg->our_tag) &&
        is(replaces.rp_from_tag, leg->peer_tag))
      return leg.get();
  return nullptr;
}

// 0, or the status that RFC 3891 section 3 has for an INVITE with such a Replaces.
int SofiaStack::refused_replaces(const sip_t* sip, LegId& replaced) {
  if (is_wrong(sip, sip_replaces_class)) return 400;
  if (!sip->sip_replaces) return 0;
  const SofiaLeg* leg = find_dialog(*sip->sip_replaces);
  if (!leg) return 481;
  switch (leg->state) {
    case SofiaLeg::State::ending: return 603;
    case SofiaLeg::State::early:
      if (!leg->outbound) return 481;  // only who has called may let another take the place before the answer
      break;
    case SofiaLeg::State::answered:
    case SofiaLeg::State::up:
      if (sip->sip_replaces->rp_early_only) return 486;
      break;
  }
  replaced = leg->id;
  return 0;
}

// -------------------------------------------------------------------------------------- a REFER comes

void SofiaStack::on_refer(nua_handle_t* handle, SofiaLeg* leg, const sip_t* sip) {
  const auto refuse_with = [&](int status) {
    nua_respond(handle, status, sip_status_phrase(status), NUTAG_WITH_THIS(nua_), TAG_END());
  };
  if (!leg) return refuse_with(481);
  if (leg->state == SofiaLeg::State::ending) return refuse_with(481);
  if (leg->state != SofiaLeg::State::up || leg->referral || !leg->refer_event.empty())
    return refuse_with(491);
  if (!sip->sip_refer_to || is_wrong(sip, sip_refer_to_class)) return refuse_with(400);
  const url_t* to = sip->sip_refer_to->r_url;
  char method[16] = "";
  const bool invites = !to->url_params || url_param(to->url_params, "method", method, sizeof method) == 0 ||
                       same_word(method, "INVITE");
  // Not 416, with which the dialog would be over (RFC 5057 section 5.1).
  if (to->url_type != url_sip || !to->url_host || !*to->url_host || !invites) return refuse_with(403);

  sip::Referred referred{.leg = leg->id};
  url_t bare = *to;
  bare.url_headers = nullptr;
  referred.target = url_text(&bare);
  if (sip->sip_referred_by) referred.referred_by = url_text(sip->sip_referred_by->b_url);
  if (std::string replaces = header_in(to, "Replaces"); !replaces.empty()) {
    su_home_t home[1] = {SU_HOME_INIT(home)};
    const sip_replaces_t* parsed = sip_replaces_make(home, replaces.c_str());
    const SofiaLeg* other = parsed ? find_dialog(*parsed) : nullptr;
    const bool readable = parsed && parsed->rp_to_tag && parsed->rp_from_tag;
    su_home_deinit(home);
    if (!readable) return refuse_with(400);
    if (other)
      referred.replaces = other->id;
    else
      referred.replaces_header = std::move(replaces);
  }
  leg->referral = msg_ref(nua_current_request(nua_));
  sink_(referred);
}

void SofiaStack::accept_refer(LegId id) {
  SofiaLeg* leg = find(id);
  if (!leg || !leg->referral) return;
  leg->refer_event = "refer;id=" + std::to_string(sip_object(leg->referral)->sip_cseq->cs_seq);
  nua_respond(leg->handle, SIP_202_ACCEPTED, NUTAG_WITH(leg->referral),
              TAG_IF(!leg->contact.empty(), SIPTAG_CONTACT_STR(leg->contact.c_str())), TAG_END());
  msg_destroy(std::exchange(leg->referral, nullptr));
  notify_refer(id, 100);  // at once (RFC 3515 section 2.4.4)
}

void SofiaStack::refuse_refer(LegId id, int status, const std::string& reason) {
  SofiaLeg* leg = find(id);
  if (!leg || !leg->referral) return;
  if (status < 300 || status > 699) status = 603;
  const char* standard = sip_status_phrase(status);
  leg->phrase = !reason.empty() ? one_line(reason) : standard ? standard : "Refused";  // read later on
  nua_respond(leg->handle, status, leg->phrase.c_str(), NUTAG_WITH(leg->referral), TAG_END());
  msg_destroy(std::exchange(leg->referral, nullptr));
}

void SofiaStack::notify_refer(LegId id, int status) {
  SofiaLeg* leg = find(id);
  if (!leg || leg->refer_event.empty() || leg->state != SofiaLeg::State::up) return;
  status = std::clamp(status, 100, 699);
  const char* phrase = sip_status_phrase(status);
  const std::string body = "SIP/2.0 " + std::to_string(status) + " " + (phrase ? phrase : "Unknown") + "\r\n";
  const bool last = status >= 200;
  nua_notify(leg->handle, SIPTAG_EVENT_STR(leg->refer_event.c_str()),
             TAG_IF(!last, NUTAG_SUBSTATE(nua_substate_active)),
             TAG_IF(last, SIPTAG_SUBSCRIPTION_STATE_STR("terminated;reason=noresource")),
             TAG_IF(!leg->contact.empty(), SIPTAG_CONTACT_STR(leg->contact.c_str())),
             SIPTAG_CONTENT_TYPE_STR("message/sipfrag"), SIPTAG_PAYLOAD_STR(body.c_str()), TAG_END());
  if (last) leg->refer_event.clear();
}

// -------------------------------------------------------------------------------------- we send one

void SofiaStack::refer(LegId id, std::string target, LegId replaces) {
  SofiaLeg* leg = find(id);
  if (!leg) return;
  const SofiaLeg* other = replaces ? find(replaces) : nullptr;
  target = one_line(target);
  const int refused = leg->state != SofiaLeg::State::up                ? 481
                      : leg->referring                                 ? 491
                      : !parse_sip_uri(target)                         ? 400
                      : replaces && (!other || other->our_tag.empty()) ? 481
                                                                       : 0;
  if (refused) {
    deferred_.push_back(sip::ReferProgress{id, refused});
    return wake();
  }
  leg->referring = true;
  leg->challenges = 0;
  if (other) {  // as the other end of that dialog sees it
    target += target.find('?') == std::string::npos ? "?" : "&";
    target += "Replaces=" +
              escaped_header(other->call_id + ";to-tag=" + other->peer_tag + ";from-tag=" + other->our_tag);
  }
  const std::string refer_to = "<" + target + ">";
  nua_refer(leg->handle, SIPTAG_REFER_TO_STR(refer_to.c_str()), SIPTAG_REFERRED_BY_STR(leg->our_uri.c_str()),
            TAG_IF(!leg->contact.empty(), SIPTAG_CONTACT_STR(leg->contact.c_str())), TAG_END());
}

void SofiaStack::refer_over(SofiaLeg& leg, int status) {
  if (std::exchange(leg.referring, false)) sink_(sip::ReferProgress{leg.id, status});
}

void SofiaStack::on_refer_reply(SofiaLeg& leg, int status, const char* phrase, const sip_t* sip) {
  if (!leg.referring || !sip || status < 200) return;  // 100 is NUA's own word, as it sends it
  if (status == 401 || status == 407) return on_challenge(leg, status, phrase, sip);
  if (status >= 300) return refer_over(leg, status < 700 ? status : 500);
  leg.challenges = 0;
}

void SofiaStack::on_notify(SofiaLeg& leg, const sip_t* sip) {
  if (!leg.referring) return;
  const bool over = !sip || (sip->sip_subscription_state &&
                             same_word(sip->sip_subscription_state->ss_substate, "terminated"));
  if (sip && sip->sip_event && !same_word(sip->sip_event->o_type, "refer")) return;
  const int status = fragment_status(sip);
  if (status >= 200) return refer_over(leg, status);
  if (over) return refer_over(leg, 408);  // it ends without having told how
  if (status >= 100) sink_(sip::ReferProgress{leg.id, status});
}

}  // namespace ivr
