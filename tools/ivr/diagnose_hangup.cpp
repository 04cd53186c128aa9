#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>

#include "diagnosis.hpp"
#include "ip_range.hpp"

// Hang-ups that nobody wanted: the 200 that was never acknowledged, and the session that was not refreshed.

namespace {

using namespace std::chrono_literals;

constexpr ivr::Micros kT1x64 = 32s;  // RFC 3261, table 4

double to_s(ivr::Micros d) { return std::chrono::duration<double>(d).count(); }

std::string seconds_text(double s) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f s", s);
  return text;
}

bool between(ivr::Micros x, ivr::Micros low, ivr::Micros high) { return x >= low && x <= high; }

// "sip:ivr@10.0.0.5:5060;transport=udp" or "Name <sip:...>": 10.0.0.5
std::string host_of(std::string_view uri) {
  if (const auto open = uri.find('<'); open != std::string_view::npos) uri.remove_prefix(open + 1);
  uri = uri.substr(0, uri.find_first_of(">;?"));
  if (const auto colon = uri.find(':'); colon != std::string_view::npos) uri.remove_prefix(colon + 1);
  if (const auto at = uri.rfind('@'); at != std::string_view::npos) uri.remove_prefix(at + 1);
  if (uri.starts_with('[')) return std::string(uri.substr(1, uri.find(']') - 1));
  return std::string(uri.substr(0, uri.find(':')));
}

// The copies of the 200 on one hop, where it was first seen; copies within 200 ms are the capture's own.
std::vector<ivr::Time> copies(const ObservedCall& call) {
  std::vector<ivr::Time> times;
  for (const SipMessage* m : call.messages) {
    if (m->status != call.answer->status || m->method != "INVITE" || m->cseq != call.answer->cseq ||
        m->source != call.answer->source || m->destination != call.answer->destination)
      continue;
    if (times.empty() || m->at - times.back() >= 200ms) times.push_back(m->at);
  }
  return times;
}

bool diagnose_missing_ack(const ObservedCall& call, const Trace& trace, Report& report) {
  const std::vector<ivr::Time> sent = copies(call);
  const SipMessage& answer = *call.answer;
  std::optional<ivr::Time> ack;
  for (const SipMessage* m : call.messages) {
    if (m->request() && m->method == "ACK" && m->cseq == answer.cseq && m->at >= answer.at) {
      ack = m->at;
      break;
    }
  }
  const bool answerer_hung_up = call.bye && call.from_caller(*call.bye) == call.from_caller(answer);
  const ivr::Micros lasted = call.bye ? call.bye->at - answer.at : ivr::Micros{0};
  const bool at_32s = answerer_hung_up && between(lasted, kT1x64 - 2s, kT1x64 + 4s);
  // One that came makes the 200 fall silent at once; what is already under way excuses a few.
  const auto after_ack =
      ack ? std::count_if(sent.begin(), sent.end(), [&](ivr::Time t) { return t > *ack + 1s; }) : 0;
  const bool unheard = ack && after_ack >= 3 && (at_32s || !call.bye);
  const bool missing = !ack && (at_32s || (sent.size() >= 3 && !call.bye));
  if (!unheard && !missing) return false;

  Diagnosis d{.cause = Cause::hangup_32s, .where = call.id, .at = call.bye ? call.bye->at : sent.back()};
  d.certain = at_32s && sent.size() >= 2;
  d.seen = "The " + std::to_string(answer.status) + " from " + answer.source.ip + " was sent " +
           std::to_string(sent.size()) + (sent.size() == 1 ? " time, " : " times, ");
  d.seen += ack ? "though an ACK is in the capture: it did not reach the answerer" : "and no ACK came";
  if (call.bye) {
    d.seen += "; the " + std::string(answerer_hung_up ? "answerer" : "caller") + " hung up " +
              seconds_text(to_s(lasted)) + " after the first";
  } else {
    d.seen += "; the capture ends " + seconds_text(to_s(trace.end - answer.at)) + " after the first";
  }
  d.why = "Who answers repeats the 200 until the ACK is there, and ends the call after 64*T1, 32 s";
  const std::string contact(answer.header("contact"));
  const std::string host = host_of(contact);
  const IpRange range = ip_range(host);
  d.mend = "see that the ACK gets through: firewalls and SIP ALGs between, and the proxy's Record-Route";
  if (contact.empty()) {
    d.why += ". The 200 has no Contact, so there is nowhere to send the ACK";
    d.mend = "the answerer must put its Contact into the 200";
  } else if (host != answer.source.ip &&
             (is_inside(range) || range == IpRange::loopback || range == IpRange::unspecified) &&
             !answer.has("record-route")) {
    d.why += ". The ACK goes to the Contact of the 200, and that says " + host + ", " + name_of(range) +
             " address, while the 200 came from " + answer.source.ip;
    d.mend =
        "let the answerer's Contact say the address at which it is reached; with ivr serve: "
        "'sip.external_ip'";
  } else {
    d.why += ". The ACK goes to the Contact of the 200" +
             std::string(answer.has("record-route") ? " by way of its Record-Route" : "") + " (" + host + ")";
  }
  d.clause = "RFC 3261, 13.3.1.4 (the 200 is repeated, then BYE); 12.2.1.1 and 13.2.2.4 (where the ACK goes)";
  report.findings.push_back(std::move(d));
  return true;
}

struct Timer {
  ivr::Time since{};
  std::uint32_t seconds = 0;
  std::string_view refresher;  // "uac", "uas" or empty
  bool caller_asked = true;    // the caller was the uac of that request
};

std::optional<Timer> timer_of(const ObservedCall& call, const SipMessage& m) {
  const std::string_view value = m.header("session-expires");
  Timer t{.since = m.at, .caller_asked = !call.from_caller(m)};
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), t.seconds);
  if (error != std::errc() || t.seconds == 0) return std::nullopt;
  if (value.find("refresher=uac") != std::string_view::npos) t.refresher = "uac";
  if (value.find("refresher=uas") != std::string_view::npos) t.refresher = "uas";
  return t;
}

struct Candidate {
  double at_s;
  const char* name;
};

void diagnose_timer(const ObservedCall& call, Report& report) {
  std::optional<Timer> timer;
  const SipMessage* refused = nullptr;  // the last refresh that failed
  const SipMessage* asked = nullptr;    // the last one that was asked for and has no answer
  const SipMessage* end = nullptr;
  std::map<std::pair<std::uint32_t, bool>, bool> settled;  // CSeq and side: a copy of a 200 refreshes nothing
  for (const SipMessage* m : call.messages) {
    if (m->request() && m->method == "BYE") {
      end = m;
      break;
    }
    if (m->at < call.answer->at || (m->method != "INVITE" && m->method != "UPDATE")) continue;
    if (m->request()) {
      const bool copy = asked && asked->cseq == m->cseq && asked->method == m->method;
      if (m->at > call.answer->at && !copy && !settled[{m->cseq, call.from_caller(*m)}]) asked = m;
    } else if (m->success()) {
      bool& once = settled[{m->cseq, !call.from_caller(*m)}];
      if (once) continue;
      once = true;
      asked = refused = nullptr;
      // Without the header in a later answer the timer is off (RFC 4028, 9).
      timer = timer_of(call, *m);
    } else if (m->status >= 400 && m->status != 401 && m->status != 407 && m->status != 422 &&
               m->status != 491) {
      refused = m;
      asked = nullptr;
    }
  }
  const bool given_up = !end && refused && (refused->status == 408 || refused->status == 481);
  if (given_up) end = refused;  // RFC 4028, 10: the same as a BYE, which the capture does not show
  if (!timer || !end) return;
  const double interval = timer->seconds, lasted = to_s(end->at - timer->since);
  const double tolerance = std::clamp(interval * 0.01, 1.5, 5.0);
  const Candidate candidates[] = {
      {interval, "the whole interval"},
      {interval - std::min(32.0, interval / 3), "the interval less 32 s or a third, whichever is smaller"},
      {interval * 2 / 3, "two thirds of the interval"}};
  const auto hit = std::find_if(std::begin(candidates), std::end(candidates),
                                [&](const Candidate& c) { return std::abs(lasted - c.at_s) <= tolerance; });
  // Half of the interval is when a refresh is due.
  const auto due = [&](const SipMessage* m) { return m && to_s(m->at - timer->since) >= interval * 0.4; };
  const bool after_failure =
      (due(refused) && end->at - refused->at < 3s) || (due(asked) && end->at - asked->at > 25s);
  if (hit == std::end(candidates) && !after_failure) return;

  const bool refresher_is_caller = (timer->refresher == "uac") == timer->caller_asked;
  const bool refresher_hung_up = !given_up && call.from_caller(*end) == refresher_is_caller;
  const std::string_view reason = end->header("reason");
  Diagnosis d{.cause = Cause::timer_hangup, .where = call.id, .at = end->at};
  d.certain = refused || asked || (!timer->refresher.empty() && !refresher_hung_up) ||
              reason.find("408") != std::string_view::npos || reason.find("imer") != std::string_view::npos;
  d.seen = "Session-Expires: " + std::to_string(timer->seconds) +
           (timer->refresher.empty() ? std::string() : ";refresher=" + std::string(timer->refresher)) +
           "; the " + (call.from_caller(*end) ? "caller" : "callee") +
           (given_up ? " gave up " : " sent BYE ") + seconds_text(lasted) + " after the last refresh";
  if (hit != std::end(candidates)) d.seen += " (" + std::string(hit->name) + ")";
  if (refused) {
    d.seen += "; the " + refused->method + " that was to refresh it got " + std::to_string(refused->status) +
              " " + refused->reason;
  } else if (asked) {
    d.seen += "; the " + asked->method + " that was to refresh it has no answer";
  } else {
    d.seen += "; nobody sent a re-INVITE or UPDATE";
  }
  if (!reason.empty()) d.seen += "; Reason: " + std::string(reason);
  d.why = "A session that is not refreshed in time is ended by BYE, by rule, though both people still talk";
  d.mend = refused || asked ? "let the peer answer re-INVITE and UPDATE within the dialog with 200 "
                              "(firewalls forget UDP paths; proxies "
                              "must stay in the route)"
                            : std::string("the refresher") +
                                  (timer->refresher.empty() ? ""
                                   : refresher_is_caller    ? " (the caller)"
                                                            : " (the callee)") +
                                  " must refresh at half of the interval; if it cannot, name the other one "
                                  "or turn timers off ('"
                                  "sip.session_expires_s': 0 with ivr serve)";
  d.clause =
      "RFC 4028, 10: refresh at half of the interval; else BYE, 32 s or a third of it before it is over";
  report.findings.push_back(std::move(d));
}

}  // namespace

void diagnose_hangup(const ObservedCall& call, const Trace& trace, Report& report) {
  if (!call.answer) return;
  if (!diagnose_missing_ack(call, trace, report)) diagnose_timer(call, report);
}
