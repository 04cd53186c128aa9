#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "engine/active_call.hpp"
#include "engine/switchboard.hpp"

// What sessions and the router want done, carried out.

namespace ivr {
namespace {

// A call may stay unanswered on early media for so long: proxies give it three minutes (RFC 3261, 16.6).
constexpr Millis kEarlyMedia = 180s;

std::string utc(Time at, const char* format) {
  return absl::FormatTime(format, absl::FromUnixMicros(at.time_since_epoch().count()), absl::UTCTimeZone());
}

}  // namespace

// ---------------------------------------------------------------------------------------- commands

void Switchboard::carry_out(ActiveCall& call, const Command& command) {
  std::visit([&](const auto& c) { carry_out(call, c); }, command);
}

void Switchboard::carry_out(ActiveCall& call, const command::Ring&) {
  call.limit = world_.clock.now() + kEarlyMedia;
  world_.sip.ring(call.legs[0].sip, 183, call.legs[0].answer);
}

void Switchboard::carry_out(ActiveCall& call, const command::Reject& reject) {
  world_.sip.reject(call.legs[0].sip, reject.status, reject.reason);
}

void Switchboard::carry_out(ActiveCall& call, const command::Answer&) {
  call.record.answered = world_.clock.now();
  // The journal first: whatever happens after the 200 has left, the next start knows of this call.
  if (world_.journal != nullptr) {
    if (auto slot = world_.journal->open(call.record); slot.ok()) call.journal = *slot;
    save(call);
  }
  ++counters_.answered;
  world_.sip.answer(call.legs[0].sip, std::move(call.legs[0].answer));
  tell(call, EngineEvent::CallAnswered{});
}

void Switchboard::carry_out(ActiveCall& call, const command::Dial& dial) {
  const auto number = static_cast<std::size_t>(dial.leg);
  if (call.legs.size() <= number) call.legs.resize(number + 1);
  if (auto opened = open_stream(call, dial.leg); !opened.ok()) {
    return later(call, event::LegEnded{dial.leg, 503, std::string(opened.message()), false});
  }
  auto& leg = call.legs[number];
  sip::Invite invite;
  invite.uri = dial.uri;
  invite.from_uri = dial.caller_id;
  invite.sdp = leg.sdp->offer();
  invite.auth_user = options_.auth_user;
  invite.auth_password = options_.auth_password;
  leg.offered = true;
  leg.sip = world_.sip.invite(invite);
  legs_[leg.sip] = {call.key, dial.leg};
}

void Switchboard::carry_out(ActiveCall& call, const command::Play& play) {
  if (options_.narrate) tell(call, EngineEvent::Said{play.prompts});
  call.rendering.reset();
  auto clips = world_.prompts.request(play.prompts, call.legs[0].codec, call.key, play.play);
  if (clips) {
    prompt_ready(call, play.play, *std::move(clips), play.loops);
  } else {
    call.rendering = ActiveCall::Pending{play.play, play.loops};
  }
}

void Switchboard::prompt_ready(ActiveCall& call, PlayId play, absl::StatusOr<std::vector<ClipPtr>> clips,
                               int loops) {
  if (!clips.ok()) {
    later(call, event::PlayEnded{play, Millis{0}, false, std::string(clips.status().message())});
  } else {
    world_.media.play(call.legs[0].stream, play, *std::move(clips), loops);
  }
}

void Switchboard::carry_out(ActiveCall& call, const command::StopPlay& stop) {
  if (call.rendering && call.rendering->play == stop.play) {
    call.rendering.reset();
    return later(call, event::PlayEnded{stop.play, Millis{0}, false, {}});
  }
  world_.media.stop_play(call.legs[0].stream, stop.play);
}

void Switchboard::carry_out(ActiveCall& call, const command::StartRecord& start) {
  const Time now = world_.clock.now();
  std::string path = options_.recordings + utc(now, "/%Y/%m/%d/") + call.record.id + "-" + start.name + "-" +
                     std::to_string(start.record) + ".wav";
  call.files[start.record] = path;
  world_.media.start_record(call.legs[0].stream, start.record,
                            {std::move(path), start.both_sides, start.max, start.silence});
}

void Switchboard::carry_out(ActiveCall& call, const command::StopRecord& stop) {
  world_.media.stop_record(call.legs[0].stream, stop.record);
}

void Switchboard::carry_out(ActiveCall& call, const command::Fetch& fetch) {
  const RequestId request = next_request_++;
  requests_[request] = {call.key, fetch.request};
  world_.http.fetch(request, fetch.http,
                    [answers = http_answers_, sip = &world_.sip](RequestId id, HttpReply reply) {
                      // A full mailbox means that control is far behind: the session's own time-out then
                      // answers for this one.
                      answers->push({id, std::move(reply)});
                      sip->wake();
                    });
}

void Switchboard::carry_out(ActiveCall& call, const command::CancelFetch& cancel) {
  for (auto it = requests_.begin(); it != requests_.end(); ++it) {
    if (it->second != std::pair{call.key, cancel.request}) continue;
    world_.http.cancel(it->first);
    requests_.erase(it);
    return;
  }
}

void Switchboard::carry_out(ActiveCall& call, const command::SendDigits& send) {
  world_.media.send_digits(call.legs[0].stream, send.digits, send.tone, send.gap);
}

void Switchboard::carry_out(ActiveCall& call, const command::DetectVoice& detect) {
  world_.media.detect_voice(call.legs[0].stream, detect.on);
}

void Switchboard::carry_out(ActiveCall& call, const command::Connect& connect) {
  world_.media.bridge(call.legs[0].stream, call.legs[static_cast<std::size_t>(connect.leg)].stream);
}

void Switchboard::carry_out(ActiveCall& call, const command::Drop& drop) {
  const auto& leg = call.legs[static_cast<std::size_t>(drop.leg)];
  if (leg.sip != 0) world_.sip.hang_up(leg.sip, drop.reason);
}

// Without a router nobody waits for anybody.
void Switchboard::carry_out(ActiveCall& call, const command::JoinQueue&) { later(call, event::QueueLeft{}); }

void Switchboard::carry_out(ActiveCall& call, const command::RequestCallback&) {
  later(call, event::CallbackTaken{});
}

void Switchboard::carry_out(ActiveCall& call, const command::Serve&) {
  later(call, event::Stop{"no agent's call"});
}

void Switchboard::carry_out(ActiveCall& call, const command::Report& report) {
  visit(call, report.note);
  if (options_.narrate) tell(call, EngineEvent::Noted{report.note});
}

void Switchboard::visit(ActiveCall& call, const Note& note) {
  if (const auto* entered = std::get_if<note::NodeEntered>(&note)) {
    call.visit = NodeVisit{
        call.record.id, call.visits++, entered->node, entered->type, world_.clock.now(), {}, "active"};
  } else if (const auto* left = std::get_if<note::NodeLeft>(&note); left != nullptr && call.visit) {
    NodeVisit visit = *std::exchange(call.visit, std::nullopt);
    visit.left = world_.clock.now();
    visit.status = left->error.empty() ? "ok" : "error";
    visit.exit = left->exit;
    visit.input = left->input;
    visit.output = left->output;
    visit.error = left->error;
    if (world_.store != nullptr) world_.store->put_visit(std::move(visit));
  }
}

}  // namespace ivr
