#include "engine/switchboard.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>
#include <utility>

#include "absl/time/time.h"
#include "engine/active_call.hpp"
#include "ivr/event_log.hpp"

namespace ivr {
namespace {

// How long after the last leg a call waits for its recordings to be on disk.
constexpr Millis kRecordingGrace = 5s;
// A call may stay unanswered on early media for so long: proxies give it three minutes (RFC 3261, 16.6).
constexpr Millis kEarlyMedia = 180s;
constexpr std::size_t kHttpAnswers = 4096;

std::string user_of(std::string_view uri) {
  const auto colon = uri.find(':');
  const auto at = uri.find('@');
  if (colon == std::string_view::npos || at == std::string_view::npos || at < colon) return std::string(uri);
  return std::string(uri.substr(colon + 1, at - colon - 1));
}

std::string utc(Time at, const char* format) {
  return absl::FormatTime(format, absl::FromUnixMicros(at.time_since_epoch().count()), absl::UTCTimeZone());
}

Millis millis(std::int64_t samples) { return Millis(samples * 1000 / kSampleRateHz); }

}  // namespace

Switchboard::Switchboard(const EngineOptions& options, World world)
    : options_(options),
      world_(std::move(world)),
      admission_(options.limits),
      http_answers_(std::make_shared<Mailbox<HttpAnswer>>(kHttpAnswers)) {}

Switchboard::~Switchboard() = default;

// Unique for ever without asking anybody: the instant, and what tells two processes of one instant apart.
std::string Switchboard::new_id(Time now) {
  static const std::uint32_t process = std::random_device{}();
  static std::atomic<std::uint32_t> count{0};
  char tail[24];
  std::snprintf(tail, sizeof tail, "-%08x-%06u", process, ++count);
  return utc(now, "%Y%m%d-%H%M%S") + tail;
}

// ----------------------------------------------------------------------------------------- finding

ActiveCall* Switchboard::find(Key key) {
  const auto it = calls_.find(key);
  return it == calls_.end() ? nullptr : it->second.get();
}

ActiveCall* Switchboard::find_leg(LegId leg, LegNumber& number) {
  const auto it = legs_.find(leg);
  if (it == legs_.end()) return nullptr;
  number = it->second.leg;
  return find(it->second.call);
}

ActiveCall* Switchboard::find_stream(StreamId stream, LegNumber& number) {
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return nullptr;
  number = it->second.leg;
  return find(it->second.call);
}

const Route* Switchboard::route(std::string_view extension) const {
  const Route* best = nullptr;
  std::size_t length = 0;
  for (const Route& r : options_.routes) {
    if (r.extension == extension) return &r;
    if (!r.extension.ends_with('*')) continue;
    const std::string_view prefix(r.extension.data(), r.extension.size() - 1);
    if (extension.starts_with(prefix) && (best == nullptr || prefix.size() > length)) {
      best = &r;
      length = prefix.size();
    }
  }
  return best;
}

// --------------------------------------------------------------------------------------- new calls

void Switchboard::refuse(const sip::Invited& invited, int status, const std::string& reason, bool retry) {
  ++counters_.refused;
  world_.sip.reject(invited.leg, status, reason,
                    retry ? std::optional<Millis>(options_.limits.retry_after) : std::nullopt);
  world_.tell({{},
               world_.clock.now(),
               EngineEvent::CallRefused{status, reason, invited.from_uri, invited.request_user}});
}

ActiveCall& Switchboard::add(std::string id, CallSessionOptions session, std::unique_ptr<Script> script) {
  const Key key = next_key_++;
  auto& call =
      *calls_.emplace(key, std::make_unique<ActiveCall>(key, std::move(script), session)).first->second;
  by_id_.emplace(id, key);
  call.record.id = std::move(id);
  call.record.started = world_.clock.now();
  call.record.status = "in_progress";
  ++counters_.started;
  counters_.calls = calls();
  counters_.peak = std::max(counters_.peak.load(), calls());
  return call;
}

absl::Status Switchboard::open_stream(ActiveCall& call, LegNumber number) {
  auto& leg = call.legs[static_cast<std::size_t>(number)];
  const StreamId stream = next_stream_++;
  auto local = world_.media.open(stream, options_.stream);
  if (!local.ok()) return local.status();
  leg.stream = stream;
  streams_[stream] = {call.key, number};
  auto codecs = options_.codecs;
  if (number !=
      0) {  // whom the caller is connected with had better talk as he does: then nothing is transcoded
    std::stable_partition(codecs.begin(), codecs.end(), [&](Codec c) { return c == call.legs[0].codec; });
  }
  auto negotiator = MediaNegotiator::create({.local = *local,
                                             .session_id = stream,
                                             .codecs = std::move(codecs),
                                             .telephone_event = options_.telephone_event});
  if (!negotiator.ok()) return negotiator.status();
  leg.sdp = *std::move(negotiator);
  return absl::OkStatus();
}

void Switchboard::set_remote(ActiveCall& call, LegNumber number, RemoteMedia remote) {
  auto& leg = call.legs[static_cast<std::size_t>(number)];
  leg.codec = remote.codec;
  remote.signalling_ip = leg.peer_ip;
  world_.media.set_remote(leg.stream, remote);
}

void Switchboard::on(const sip::Invited& invited) {
  if (draining_) return refuse(invited, 503, "shutting down", true);
  const Route* const taken = route(invited.request_user);
  if (taken == nullptr) return refuse(invited, 404, "no extension '" + invited.request_user + "'");
  if (auto refusal = admission_.enter(invited.source.ip, world_.clock.now())) {
    return refuse(invited, refusal->status, refusal->reason, refusal->status == 503);
  }

  CallInfo info;
  info.id = new_id(world_.clock.now());
  info.caller = invited.from_user.empty() ? invited.from_uri : invited.from_user;
  info.called = invited.request_user;
  info.caller_uri = invited.from_uri;
  info.called_uri = invited.request_uri;
  info.variables = taken->variables;
  ActiveCall& call = add(info.id,
                         {.answer_later = taken->answer_later && invited.offer.has_value(),
                          .record = taken->record,
                          .secret_type_ahead = taken->secret_type_ahead},
                         taken->script(info));
  call.address = invited.source.ip;
  call.admitted = true;
  call.record.sip_call_id = invited.call_id;
  call.record.sip_from_tag = invited.from_tag;
  call.record.caller = info.caller;
  call.record.called = info.called;
  call.record.flow = taken->flow;
  call.record.flow_digest = taken->flow_digest;
  auto& leg = call.legs[0];
  leg.sip = invited.leg;
  // The voice of whoever rang directly comes from where he rang; behind a proxy it may come from anywhere.
  if (!invited.relayed) leg.peer_ip = invited.source.ip;
  legs_[invited.leg] = {call.key, 0};

  const auto cannot = [&](int status, const absl::Status& why) {
    refuse(invited, status, std::string(why.message()), status == 503);
    leg.sip = 0;
    legs_.erase(invited.leg);
    finish(call);
  };
  tell(call, EngineEvent::CallStarted{info});
  if (auto opened = open_stream(call, 0); !opened.ok()) return cannot(503, opened);
  if (invited.offer) {
    auto answer = leg.sdp->answer(*invited.offer);
    if (!answer.ok()) return cannot(absl::IsInvalidArgument(answer.status()) ? 400 : 488, answer.status());
    leg.answer = std::move(answer->sdp);
    set_remote(call, 0, answer->remote);
  } else {
    leg.answer = leg.sdp->offer();
    leg.offered = true;
  }
  step(call, event::Invited{std::move(info)});
}

void Switchboard::originate(std::string id, Originate request) {
  CallInfo info;
  info.id = std::move(id);
  info.direction = Direction::outbound;
  info.caller_uri = request.from_uri;
  info.caller = user_of(request.from_uri);
  info.called_uri = request.uri;
  info.called = user_of(request.uri);
  info.variables = request.variables;
  ActiveCall& call = add(info.id, request.session, request.script(info));
  call.record.direction = Direction::outbound;
  call.record.caller = info.caller;
  call.record.called = info.called;
  tell(call, EngineEvent::CallStarted{info});
  step(call, event::Invited{std::move(info)});
}

// ---------------------------------------------------------------------------------------- from SIP

void Switchboard::on_sip(const sip::Event& event) {
  std::visit([this](const auto& e) { on(e); }, event);
}

void Switchboard::on(const sip::Ringing& ringing) {
  LegNumber number = 0;
  if (ActiveCall* call = find_leg(ringing.leg, number)) step(*call, event::LegRinging{number});
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
  if (number != 0) return step(*call, event::LegAnswered{number});
  call->record.answered = world_.clock.now();
  ++counters_.answered;
  tell(*call, EngineEvent::CallAnswered{});
  call->limit = world_.clock.now() + options_.limits.call_length;
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
  call->limit = world_.clock.now() + options_.limits.call_length;
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
  set_remote(*call, number, answer->remote);
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
  const Time now = world_.clock.now();
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
  if (number == 0) call->limit = world_.clock.now() + kRecordingGrace;
  step(*call, event::LegEnded{number, ended.status, ended.reason, ended.by_peer});
  ActiveCall* const still = find(key);
  if (still == nullptr) return;
  auto& gone = still->legs[static_cast<std::size_t>(number)];
  if (gone.stream != 0 && !std::exchange(gone.closing, true)) world_.media.close(gone.stream);
  schedule(*still);
}

// -------------------------------------------------------------------------------------- from media

void Switchboard::heard(StreamId stream, const Event& event) {
  LegNumber number = 0;
  ActiveCall* const call = find_stream(stream, number);
  if (call != nullptr && number == 0) step(*call, event);
}

void Switchboard::press(ActiveCall& call, std::optional<char> digit, DigitSource source) {
  if (!digit) return;
  if (options_.narrate) {
    tell(call, EngineEvent::Pressed{call.session.sensitive(*digit) ? '?' : *digit, source});
  }
  step(call, event::DigitHeard{*digit, source});
}

void Switchboard::on(const media::DigitBegan& digit) {
  LegNumber number = 0;
  ActiveCall* const call = find_stream(digit.stream, number);
  if (call == nullptr || number != 0) return;
  press(*call, call->digits.began(digit.source, digit.digit, digit.key, world_.clock.now()), digit.source);
}

void Switchboard::on(const media::DigitEnded& digit) {
  LegNumber number = 0;
  ActiveCall* const call = find_stream(digit.stream, number);
  if (call == nullptr || number != 0) return;
  press(*call, call->digits.ended(digit.source, digit.digit, digit.key, digit.duration, world_.clock.now()),
        digit.source);
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

// ------------------------------------------------------------------------------ one step of a call

void Switchboard::later(ActiveCall& call, Event event) { later_.emplace_back(call.key, std::move(event)); }

void Switchboard::step(ActiveCall& call, const Event& event) {
  const Time now = world_.clock.now();
  const bool kept = world_.store != nullptr;
  const Event logged = kept ? call.session.for_log(event) : Event{};
  Commands commands = std::move(commands_);
  commands.clear();
  call.session.step(event, now, commands);
  if (kept) {
    log_.push_back({call.record.id, call.sequence, now,
                    log_line(call.sequence, now, logged, commands, call.session.revealed())});
  }
  ++call.sequence;
  for (const Command& command : commands) carry_out(call, command);
  commands_ = std::move(commands);  // its memory serves the next step
  if (call.session.done()) {
    settle(call);
  } else {
    schedule(call);
  }
}

void Switchboard::settle(ActiveCall& call) {
  auto& leg = call.legs[0];
  if (leg.stream != 0 && !leg.closed) {
    if (!std::exchange(leg.closing, true)) world_.media.close(leg.stream);
    schedule(call);
  } else {
    finish(call);
  }
}

void Switchboard::schedule(ActiveCall& call) {
  std::optional<Time> due = call.session.deadline();
  if (call.limit && (!due || *call.limit < *due)) due = call.limit;
  if (due == call.due) return;
  if (call.due) due_.erase({*call.due, call.key});
  if (due) due_.insert({*due, call.key});
  call.due = due;
}

void Switchboard::work() {
  media::Event event;
  while (world_.media.next_event(event)) std::visit([this](const auto& e) { on(e); }, event);
  HttpAnswer answer;
  while (http_answers_->pop(answer)) {
    const auto it = requests_.find(answer.request);
    if (it == requests_.end()) continue;
    const auto [key, own] = it->second;
    requests_.erase(it);
    if (ActiveCall* call = find(key)) step(*call, event::HttpReplied{own, std::move(answer.reply)});
  }
  PromptLibrary::Ready ready;
  while (world_.prompts.next_ready(ready)) {
    ActiveCall* const call = find(ready.ticket);
    if (call == nullptr || !call->rendering || call->rendering->play != ready.play) continue;
    const auto pending = *std::exchange(call->rendering, std::nullopt);
    prompt_ready(*call, pending.play, std::move(ready.clips), pending.loops);
  }
  const Time now = world_.clock.now();
  while (!due_.empty() && due_.begin()->first <= now) {
    const Key key = due_.begin()->second;
    due_.erase(due_.begin());
    ActiveCall* const call = find(key);
    if (call == nullptr) continue;
    call->due.reset();
    if (call->limit && *call->limit <= now) {
      call->limit.reset();
      if (call->legs[0].sip == 0) {
        finish(*call);  // a recording that never ended must not hold the call
        continue;
      }
      step(*call, event::Stop{"call limit"});
    } else {
      step(*call, event::Tick{});
    }
  }
  while (!later_.empty()) {
    const auto [key, happened] = std::move(later_.front());
    later_.pop_front();
    if (ActiveCall* call = find(key)) step(*call, happened);
  }
  if (world_.store != nullptr) {
    if (!log_.empty()) world_.store->append(std::exchange(log_, {}));
    std::uint64_t slot = 0;
    while (world_.store->next_stored(slot)) world_.journal->close(static_cast<JournalSlot>(slot));
  }
}

Micros Switchboard::until_next() const {
  if (!later_.empty()) return Micros{0};
  constexpr Micros kIdle = 100ms;
  if (due_.empty()) return kIdle;
  return std::clamp(due_.begin()->first - world_.clock.now(), Micros{0}, kIdle);
}

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

// ----------------------------------------------------------------------------------------- the end

void Switchboard::hang_up(std::string_view id, std::string reason) {
  const auto it = by_id_.find(std::string(id));
  if (it == by_id_.end()) return;
  if (ActiveCall* call = find(it->second)) step(*call, event::Stop{std::move(reason)});
}

void Switchboard::end_all(std::string reason) {
  std::vector<Key> keys;
  for (const auto& [key, call] : calls_) keys.push_back(key);
  for (const Key key : keys) {
    if (ActiveCall* call = find(key)) step(*call, event::Stop{reason});
  }
}

void Switchboard::close_rest() {
  while (!calls_.empty()) finish(*calls_.begin()->second);
}

void Switchboard::save(ActiveCall& call) {
  if (world_.store != nullptr && call.record.answered != Time{}) world_.store->put_call(call.record);
}

void Switchboard::finish(ActiveCall& call) {
  const auto& summary = call.session.summary();
  CallRecord& record = call.record;
  record.ended = world_.clock.now();
  record.language = summary.language;
  record.recording = summary.recording;
  record.variables = call.session.script().variables();
  switch (summary.ended_by) {
    case outcome::EndedBy::caller: record.cause = "caller"; break;
    case outcome::EndedBy::script: record.cause = "script"; break;
    case outcome::EndedBy::system: record.cause = summary.reason.empty() ? "system" : summary.reason; break;
  }
  record.status = record.answered == Time{}                      ? "abandoned"
                  : summary.ended_by == outcome::EndedBy::system ? "failed"
                                                                 : "completed";
  if (call.visit && world_.store != nullptr) world_.store->put_visit(*std::move(call.visit));
  if (world_.store != nullptr && record.answered != Time{}) {
    if (!log_.empty())
      world_.store->append(std::exchange(log_, {}));  // the record is the last thing written of a call
    world_.store->put_call(record, call.journal);
  }
  for (auto& leg : call.legs) {
    if (leg.sip != 0)
      world_.sip.hang_up(leg.sip, "the call is over");  // its Ended finds no call, which is fine
    if (leg.stream == 0) continue;
    if (!leg.closing) world_.media.close(leg.stream);
    streams_.erase(leg.stream);
  }
  absl::erase_if(requests_, [&](const auto& r) {
    if (r.second.first != call.key) return false;
    world_.http.cancel(r.first);
    return true;
  });
  if (call.due) due_.erase({*call.due, call.key});
  if (call.admitted) admission_.left(call.address);
  ++counters_.ended;
  EngineEvent last{record.id, world_.clock.now(), EngineEvent::CallEnded{record, call.media}};
  by_id_.erase(record.id);
  calls_.erase(call.key);
  counters_.calls = calls();
  world_.tell(std::move(last));  // whoever hears of it finds it counted
}

void Switchboard::tell(const ActiveCall& call, decltype(EngineEvent::what) what) {
  world_.tell({call.record.id, world_.clock.now(), std::move(what)});
}

}  // namespace ivr
