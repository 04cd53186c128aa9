#include <utility>

#include "core/registrar.hpp"
#include "engine/active_call.hpp"
#include "engine/switchboard.hpp"

// What SIP and media say, turned into events of a session.

namespace ivr {
namespace {

Millis millis(std::int64_t samples) { return Millis(samples * 1000 / kSampleRateHz); }

}  // namespace

// ---------------------------------------------------------------------------------------- from SIP

void Switchboard::on_sip(const sip::Event& event) {
  std::visit([this](const auto& e) { on(e); }, event);
}

void Switchboard::on(const sip::Ringing& ringing) {
  LegNumber number = 0;
  ActiveCall* const call = find_leg(ringing.leg, number);
  if (call == nullptr) return;
  auto& leg = call->legs[static_cast<std::size_t>(number)];
  // Heard is who asks for it and has told where it comes from; of an agent's telephone nobody hears anything.
  if (number != 0 && ringing.sdp && leg.sdp) {
    if (auto remote = leg.sdp->accept(*ringing.sdp); remote.ok()) {
      set_remote(*call, number, *std::move(remote));
      leg.early = true;
    }
  }
  tell_referrer(*call, 180);
  step(*call, event::LegRinging{number, number != 0 && leg.early ? ringing.early : std::nullopt});
  if (number == 0) {
    acd_.ringing(call->record.id);
  } else {
    acd_.transferring(call->record.id, 180);
  }
}

void Switchboard::on(const sip::Answered& answered) {
  LegNumber number = 0;
  ActiveCall* const call = find_leg(answered.leg, number);
  if (call == nullptr) return;
  auto& leg = call->legs[static_cast<std::size_t>(number)];
  auto remote = leg.sdp->accept(answered.sdp);
  leg.offered = false;
  if (!remote.ok()) {  // nothing we could talk with: RFC 3261 13.2.2.4 wants the dialog ended
    world_.sip.hang_up(answered.leg, "cannot use the answer: " + std::string(remote.status().message()));
    return;
  }
  leg.up = true;
  set_remote(*call, number, *std::move(remote));
  if (number != 0) {
    const std::string id = call->record.id;
    tell_referrer(*call, 200);  // as long as it is there
    step(*call, event::LegAnswered{number});
    return acd_.transferring(id, 200);
  }
  begin_record(*call);
  tell(*call, EngineEvent::CallAnswered{});
  call->limit = now() + options_.limits.call_length;
  if (call->watches) watch(*call);
  step(*call, event::Established{});
}

void Switchboard::on(const sip::Established& established) {
  LegNumber number = 0;
  ActiveCall* const call = find_leg(established.leg, number);
  if (call == nullptr) return;
  auto& leg = call->legs[static_cast<std::size_t>(number)];
  if (leg.offered && established.answer) {
    leg.offered = false;
    auto remote = leg.sdp->accept(*established.answer);
    if (!remote.ok()) {
      world_.sip.hang_up(established.leg, "cannot use the answer: " + std::string(remote.status().message()));
      return;
    }
    set_remote(*call, number, *std::move(remote));
  }
  if (leg.up || number != 0) return;
  leg.up = true;
  call->limit = now() + options_.limits.call_length;
  step(*call, event::Established{});
}

void Switchboard::on(const sip::Offered& offered) {
  LegNumber number = 0;
  ActiveCall* const call = find_leg(offered.leg, number);
  if (call == nullptr) return world_.sip.refuse_offer(offered.leg, 481);
  auto& leg = call->legs[static_cast<std::size_t>(number)];
  if (!offered.offer) {
    leg.offered = true;
    return world_.sip.accept_offer(offered.leg, leg.sdp->offer());
  }
  auto answer = leg.sdp->answer(*offered.offer);
  if (!answer.ok()) {
    return world_.sip.refuse_offer(offered.leg, absl::IsInvalidArgument(answer.status()) ? 400 : 488);
  }
  const bool held = !answer->remote.send;  // RFC 3264, 8.4
  set_remote(*call, number, answer->remote);
  if (number == 0 && std::exchange(leg.held, held) != held) acd_.held(call->record.id, held);
  world_.sip.accept_offer(offered.leg, std::move(answer->sdp));
}

void Switchboard::on(const sip::OfferAnswered& answered) {
  LegNumber number = 0;
  ActiveCall* const call = find_leg(answered.leg, number);
  if (call == nullptr) return;
  auto& leg = call->legs[static_cast<std::size_t>(number)];
  leg.offered = false;
  if (auto remote = leg.sdp->accept(answered.sdp); remote.ok()) {
    set_remote(*call, number, *std::move(remote));
  }
}

void Switchboard::on(const sip::Digit& digit) {
  LegNumber number = 0;
  ActiveCall* const call = find_leg(digit.leg, number);
  if (call == nullptr || number != 0) return;
  const Time now = this->now();
  press(*call, call->digits.ended(DigitSource::sip_info, digit.digit, 0, digit.duration, now),
        DigitSource::sip_info);
}

void Switchboard::on(const sip::Ended& ended) {
  LegNumber number = 0;
  ActiveCall* const call = find_leg(ended.leg, number);
  legs_.erase(ended.leg);
  if (call == nullptr) return;
  auto& leg = call->legs[static_cast<std::size_t>(number)];
  leg.sip = 0;
  leg.up = false;
  const Key key = call->key;
  const std::string id = call->record.id;
  if (number == 0) {
    call->limit = now() + kRecordingGrace;
    call->record.ended = now();
    call->sip_status = ended.status;
    acd_.ended(id, ended.status);
    hand_over(*call);
  } else if (ended.leg == call->referrer) {
    call->referrer = 0;  // it does not wait to hear more
  } else {
    tell_referrer(*call, ended.status >= 300 ? ended.status : 487);
    acd_.transferring(id, ended.status >= 300 ? ended.status : 487);
  }
  step(*call, event::LegEnded{number, ended.status, ended.reason, ended.by_peer});
  if (ActiveCall* const waits = find(key); waits != nullptr && waits->holds && number == 1)
    later(*waits, event::Stop{"the caller has gone"});  // the session does not know him yet
  ActiveCall* const still = find(key);
  if (still == nullptr) return;
  close_stream(*still, number);
  schedule(*still);
}

void Switchboard::on(const sip::ReferProgress& progress) {
  LegNumber number = 0;
  ActiveCall* const call = find_leg(progress.leg, number);
  if (call != nullptr && number == 0) step(*call, event::ReferProgress{progress.status});
}

// Who talks with the one that refers goes on elsewhere: with whom its other line talks (attended: a partner
// in a queue, or a leg that a flow has dialled), or where it says, in place of a call that is not ours, or
// blind.
void Switchboard::on(const sip::Referred& referred) {
  LegNumber number = 0, other_number = 0;
  ActiveCall* const call = find_leg(referred.leg, number);
  if (call == nullptr) return world_.sip.refuse_refer(referred.leg, 603);
  if (call->masked) return world_.sip.refuse_refer(referred.leg, 403, "Masked parties cannot transfer");
  if (number != 0) return referred_by(*call, number, referred);
  const std::string id = call->record.id;
  if (call->may_refer && acd_.partner(id).empty()) return sent_on(*call, referred);
  ActiveCall* const caller = find_call(acd_.partner(id));
  ActiveCall* const other = referred.replaces == 0 ? nullptr : find_leg(referred.replaces, other_number);
  if (caller == nullptr || (referred.replaces != 0 && (other == nullptr || other_number != 0)))
    return world_.sip.refuse_refer(referred.leg, 603);
  if (other != nullptr && !acd_.partner(other->record.id).empty()) {
    if (!acd_.join_partners(id, other->record.id)) return world_.sip.refuse_refer(referred.leg, 603);
    world_.sip.accept_refer(referred.leg);
    world_.sip.notify_refer(referred.leg, 200);
    other->handed_on = true;
    return end(other->record.id, "transferred");
  }
  if (other != nullptr) caller->adopts = other->record.id;
  caller->replaces = referred.replaces_header;
  if (!acd_.referred(id, referred.target)) {
    caller->adopts.clear();
    caller->replaces.clear();
    return world_.sip.refuse_refer(referred.leg, 603);
  }
  world_.sip.accept_refer(referred.leg);
}

// Whom a flow, or Engine::connect, has dialled sends the caller on as an agent does: where it says, in place
// of a call that is not ours, or to whom its own call to us has dialled. Not to somebody who talks in or from
// a queue: that talk has a script at either end. Nor while leg 0 is sending him on. And nobody else may: whom
// an application's own script has dialled is not to call at our expense unless it says so.
void Switchboard::referred_by(ActiveCall& call, LegNumber number, const sip::Referred& referred) {
  LegNumber other_number = 0;
  const ActiveCall* const other =
      referred.replaces == 0 ? nullptr : find_leg(referred.replaces, other_number);
  const bool dialled = other != nullptr && other != &call && other_number == 0 && other->legs.size() > 1 &&
                       acd_.partner(other->record.id).empty();
  const bool may = !call.record.flow.empty() || call.dialled_may_refer;
  if (!may || !call.session.talks_with(number) || (referred.replaces != 0 && !dialled) ||
      find_call(call.sends_on) != nullptr)
    return world_.sip.refuse_refer(referred.leg, 603);
  if (other != nullptr) call.adopts = other->record.id;
  call.replaces = referred.replaces_header;
  call.referrer = referred.leg;
  world_.sip.accept_refer(referred.leg);
  step(call, event::LegReferred{number, referred.target});
}

// Whom a call was made to sends on whom that call has dialled since. Another call is made to the target and
// adopts that leg when it is answered; until then, and when it is not, their talk goes on.
void Switchboard::sent_on(ActiveCall& call, const sip::Referred& referred) {
  LegNumber other = 1;
  const auto legs = static_cast<LegNumber>(call.legs.size());
  while (other < legs && !call.session.talks_with(other)) ++other;
  if (other >= legs || referred.replaces != 0 || find_call(call.sends_on) != nullptr)
    return world_.sip.refuse_refer(referred.leg, 603);
  world_.sip.accept_refer(referred.leg);
  Originate request;
  request.uri = referred.target;
  request.from_uri = call.record.caller;
  request.script =
      [to = intent::Transfer{.uri = identity(call.record.called), .talk_on = true}](const CallInfo&) {
        return connect_script(to);  // to whom it adopts, who is not dialled again
      };
  request.may_refer = true;
  request.dialled_may_refer = call.dialled_may_refer;
  call.sends_on = name_call();
  const Codec codec = call.legs[static_cast<std::size_t>(other)].codec;
  originate(call.sends_on, std::move(request), codec, referred.replaces_header);
  if (ActiveCall* const sent = find_call(call.sends_on)) {
    sent->adopts = call.record.id;
    sent->referrer = referred.leg;
  } else {
    world_.sip.notify_refer(referred.leg, 503);
  }
}

// Who refers and does not wait for the answer leaves whom he has sent on with the call that is being made.
// And a call that was made so tells how it went, if it comes to nothing.
void Switchboard::hand_over(ActiveCall& call) {
  if (!call.adopts.empty()) {
    const int status = call.sip_status;
    tell_referrer(call, status >= 300 ? status : 487);
    call.adopts.clear();
  }
  ActiveCall* const to = find_call(call.sends_on);
  if (to == nullptr || to->adopts != call.record.id) return;
  to->referrer = 0;
  for (std::size_t i = 1; i < call.legs.size(); ++i) {
    if (call.legs[i].sip == 0 || !call.legs[i].up || !call.session.talks_with(static_cast<LegNumber>(i)))
      continue;
    to->adopts.clear();
    to->holds = true;
    to->legs.resize(2);
    to->legs[1] = std::exchange(call.legs[i], {});
    legs_[to->legs[1].sip] = streams_[to->legs[1].stream] = {to->key, 1};
    return;
  }
  later(*to, event::Stop{"the caller has gone"});
}

void Switchboard::tell_referrer(ActiveCall& call, int status) {
  if (call.referrer == 0) return;
  world_.sip.notify_refer(call.referrer, status);
  if (status >= 200) call.referrer = 0;
}

// Kept, so that after a crash a telephone is rung where it was though it has not come again.
void Switchboard::on(const sip::Registered& registered) {
  if (world_.store != nullptr) {
    if (registered.contacts.empty()) {
      world_.store->remove_document(kRegistrationKind, registered.user);
    } else {
      world_.store->put_document(document_of(registered));
    }
  }
  acd_.registered(registered);
}

void Switchboard::on(const sip::Refused& refused) {
  const RefusedRequest& r = refused.request;
  counters_.refused += r.method == "INVITE";
  world_.tell({{},
               now(),
               EngineEvent::CallRefused{r.status, std::string(to_string(r.why)), r.from, r.to, r.address,
                                        r.why, r.method}});
}

void Switchboard::on(const sip::Enrolled& enrolled) {
  const auto number = static_cast<std::size_t>(enrolled.enrolment) - 1;
  if (number >= options_.enrolments.size()) return;
  const sip::Enrol& enrol = options_.enrolments[number];
  world_.tell({{},
               now(),
               EngineEvent::Enrolled{enrol.user, enrol.registrar, enrolled.registered, enrolled.status,
                                     enrolled.reason}});
}

// -------------------------------------------------------------------------------------- from media

void Switchboard::heard(StreamId stream, const Event& event) {
  LegNumber number = 0;
  ActiveCall* const call = find_stream(stream, number);
  if (call != nullptr && number == 0) step(*call, event);
}

void Switchboard::press(ActiveCall& call, std::optional<char> digit, DigitSource source) {
  if (!digit) return;
  if (call.watches && *digit >= '4' && *digit <= '6') {
    call.watches = *digit == '4'   ? Supervision::listen
                   : *digit == '5' ? Supervision::whisper
                                   : Supervision::barge;
    watch(call);
  }
  if (options_.narrate) {
    tell(call, EngineEvent::Pressed{call.session.sensitive(*digit) ? '?' : *digit, source});
  }
  step(call, event::DigitHeard{*digit, source});
}

void Switchboard::on(const media::DigitBegan& digit) {
  LegNumber number = 0;
  ActiveCall* const call = find_stream(digit.stream, number);
  if (call == nullptr || number != 0) return;
  press(*call, call->digits.began(digit.source, digit.digit, digit.key, now()), digit.source);
}

void Switchboard::on(const media::DigitEnded& digit) {
  LegNumber number = 0;
  ActiveCall* const call = find_stream(digit.stream, number);
  if (call == nullptr || number != 0) return;
  press(*call, call->digits.ended(digit.source, digit.digit, digit.key, digit.duration, now()), digit.source);
}

void Switchboard::on(const media::PlayEnded& ended) {
  heard(ended.stream, event::PlayEnded{ended.play, millis(ended.samples), ended.completed, {}});
}

void Switchboard::on(const media::RecordEnded& ended) {
  LegNumber number = 0;
  ActiveCall* const call = find_stream(ended.stream, number);
  if (call == nullptr) return;
  std::string file = call->files[ended.record];
  tell(*call, EngineEvent::Recorded{file, millis(ended.samples)});
  step(*call,
       event::RecordEnded{ended.record, std::move(file), millis(ended.samples), ended.end, ended.error});
}

void Switchboard::on(const media::DigitsSent& sent) { heard(sent.stream, event::DigitsSent{}); }
void Switchboard::on(const media::VoiceBegan& began) { heard(began.stream, event::VoiceBegan{}); }
void Switchboard::on(const media::VoiceEnded& ended) { heard(ended.stream, event::VoiceEnded{}); }
void Switchboard::on(const media::TimedOut& timed_out) { heard(timed_out.stream, event::MediaLost{}); }

void Switchboard::on(const media::Closed& closed) {
  LegNumber number = 0;
  ActiveCall* const call = find_stream(closed.stream, number);
  if (call == nullptr) return;
  call->legs[static_cast<std::size_t>(number)].closed = true;
  if (number != 0) return;
  call->media = closed.stats;
  if (call->session.done()) settle(*call);
}

}  // namespace ivr
