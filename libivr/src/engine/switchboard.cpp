#include "engine/switchboard.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "absl/time/time.h"
#include "core/agent_script.hpp"
#include "engine/active_call.hpp"
#include "ivr/event_log.hpp"

namespace ivr {
namespace {

constexpr std::size_t kHttpAnswers = 4096;
constexpr std::int64_t kSnapshotSteps = 10'000;  // that a start has to run again at most

std::string user_of(std::string_view uri) {
  const auto colon = uri.find(':');
  const auto at = uri.find('@');
  if (colon == std::string_view::npos || at == std::string_view::npos || at < colon) return std::string(uri);
  return std::string(uri.substr(colon + 1, at - colon - 1));
}

const std::string& caller_of(const sip::Invited& invited) {
  return invited.from_user.empty() ? invited.from_uri : invited.from_user;
}

// Connects whoever it talks with to somebody else, and that is all.
class ConnectScript final : public Script {
 public:
  explicit ConnectScript(intent::Transfer to) : to_(std::move(to)) {}
  void step(const Outcome& outcome, Time, ScriptOutput& out) override {
    if (std::holds_alternative<outcome::Ended>(outcome)) return;
    if (std::holds_alternative<outcome::Started>(outcome)) {
      out.intent.push_back(to_);
    } else {
      out.intent.push_back(intent::Hangup{"connected"});
    }
  }

 private:
  intent::Transfer to_;
};

}  // namespace

std::string Switchboard::utc(Time at, const char* format) {
  return absl::FormatTime(format, absl::FromUnixMicros(at.time_since_epoch().count()), absl::UTCTimeZone());
}

std::unique_ptr<Script> Switchboard::connect_script(intent::Transfer to) {
  return std::make_unique<ConnectScript>(std::move(to));
}

Switchboard::Switchboard(const EngineOptions& options, World world)
    : options_(options),
      world_(std::move(world)),
      admission_(options.limits),
      gate_(options.callers, options.caller_lists),
      acd_(options, *this),
      http_answers_(std::make_shared<Mailbox<HttpAnswer>>(kHttpAnswers)) {}

Switchboard::~Switchboard() {
  for (const auto& then : unkept_)
    then(absl::UnavailableError("the engine has stopped before it was on disk"));
}

absl::Status Switchboard::start(std::optional<Router> kept, std::int64_t next_step,
                                const std::vector<StoredDocument>& masked) {
  router_step_ = router_saved_ = next_step;
  if (!options_.masking_numbers.empty()) {
    auto masking = NumberMasking::create({.numbers = options_.masking_numbers});
    if (!masking.ok()) return masking.status();
    masking_ = *std::move(masking);
  }
  for (const StoredDocument& each : masked) {
    const auto pair = mapping_of(each);
    if (!pair.ok())
      world_.tell(
          {{}, now(), EngineEvent::Unreadable{each.kind, each.id, std::string(pair.status().message())}});
    const bool good = masking_ && pair.ok() && masking_->restore(*pair, now()).ok();
    if (!good && world_.store != nullptr) world_.store->remove_document(each.kind, each.id);
  }
  // A log begins with a router of the usual options, unless something says otherwise.
  if (!kept && next_step == 0 && options_.router != RouterOptions{}) save_router();
  return acd_.start(std::move(kept));
}

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

ActiveCall* Switchboard::find_call(std::string_view id) {
  const auto it = by_id_.find(std::string(id));
  return it == by_id_.end() ? nullptr : find(it->second);
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

const Route* Switchboard::route(std::string_view extension, std::string_view caller) const {
  const Route* best = nullptr;
  std::size_t length = 0;
  for (const Route& r : options_.routes) {
    const std::string_view pattern = r.extension;
    const bool whole = pattern == extension;
    const bool begins =
        pattern.ends_with('*') && extension.starts_with(pattern.substr(0, pattern.size() - 1));
    if (!whole && !(begins && pattern.size() > length)) continue;
    if (r.takes && !r.takes(caller)) continue;
    if (whole) return &r;
    best = &r;
    length = pattern.size();
  }
  return best;
}

// --------------------------------------------------------------------------------------- new calls

void Switchboard::refuse(const sip::Invited& invited, RefusedFor why, int status, const std::string& reason,
                         bool retry) {
  ++counters_.refused;
  world_.sip.reject(invited.leg, status, reason,
                    retry ? std::optional<Millis>(options_.limits.retry_after) : std::nullopt);
  world_.tell({{},
               now(),
               EngineEvent::CallRefused{status, reason, invited.from_uri, invited.request_user,
                                        invited.source.ip, why}});
}

ActiveCall& Switchboard::add(std::string id, CallSessionOptions session, std::unique_ptr<Script> script) {
  const Key key = next_key_++;
  auto& call =
      *calls_.emplace(key, std::make_unique<ActiveCall>(key, std::move(script), session)).first->second;
  by_id_.emplace(id, key);
  call.record.id = std::move(id);
  call.record.started = now();
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
  // Who is to be connected had better talk alike: then nothing is transcoded.
  auto codecs = options_.codecs;
  const std::optional<Codec> like = number != 0 ? call.legs[0].codec : call.prefers;
  std::stable_partition(codecs.begin(), codecs.end(), [&](Codec c) { return like == c; });
  auto negotiator = MediaNegotiator::create({.local = *local,
                                             .session_id = stream,
                                             .codecs = std::move(codecs),
                                             .telephone_event = options_.telephone_event,
                                             .comfort_noise = options_.comfort_noise});
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
  if (draining_) return refuse(invited, RefusedFor::busy, 503, "shutting down", true);
  const Route* taken = route(invited.request_user, caller_of(invited));
  std::string takes_over;
  if (invited.replaces != 0) {  // RFC 3891: it goes on with whom the replaced one talks
    static const Route joins{
        .script = [](const CallInfo&) { return std::make_unique<AgentScript>(AgentScriptOptions{}); }};
    LegNumber number = 0;
    const ActiveCall* const old = find_leg(invited.replaces, number);
    if (old == nullptr || number != 0 || acd_.partner(old->record.id).empty())
      return refuse(invited, RefusedFor::not_acceptable, 481, "the call to be replaced talks with nobody");
    takes_over = old->record.id;
    taken = &joins;
  }
  Route masked;
  if (masking_) {
    forget_masks();
    if (auto party = masking_->route(invited.request_user, invited.from_user, now())) {
      masked.script = [route = *std::move(party)](const CallInfo&) {
        return connect_script({.uri = route.party, .caller_id = route.shown});
      };
      taken = &masked;
    }
  }
  if (taken == nullptr)
    return refuse(invited, RefusedFor::no_extension, 404, "no extension '" + invited.request_user + "'");
  if (auto refusal = admission_.enter(invited.source.ip, now())) {
    return refuse(invited, RefusedFor::limit, refusal->status, refusal->reason, refusal->status == 503);
  }

  if (const auto overload = world_.media.overload()) {
    admission_.left(invited.source.ip);
    return refuse(invited, RefusedFor::busy, 503, *overload, true);
  }

  const CallerGate::Verdict verdict = gate_.enter(invited.from_user, now());
  if (verdict.answer != CallerGate::Answer::taken) {
    admission_.left(invited.source.ip);
    if (verdict.answer == CallerGate::Answer::blocked)
      return refuse(invited, RefusedFor::blocked, 603, "blocked");
    return refuse(invited, RefusedFor::too_often, 503, "called too often", true);
  }

  CallInfo info;
  info.id = name_call();
  info.caller = caller_of(invited);
  info.called = invited.request_user;
  info.caller_uri = invited.from_uri;
  info.called_uri = invited.request_uri;
  info.variables = taken->variables;
  info.user = invited.user;
  ActiveCall& call = add(info.id,
                         {.answer_later = taken->answer_later && invited.offer.has_value(),
                          .record = taken->record,
                          .secret_type_ahead = taken->secret_type_ahead,
                          .record_digits = taken->record_digits},
                         taken->script(info));
  call.masked = taken == &masked;
  call.takes_over = std::move(takes_over);
  call.user = invited.user;
  call.address = invited.source.ip;
  call.admitted = true;
  call.priority = verdict.priority;
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
    refuse(invited, status == 503 ? RefusedFor::busy : RefusedFor::not_acceptable, status,
           std::string(why.message()), status == 503);
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

void Switchboard::originate(std::string id, Originate request, std::optional<Codec> like,
                            std::string replaces) {
  CallInfo info;
  info.id = std::move(id);
  info.direction = Direction::outbound;
  request.from_uri = identity(request.from_uri);
  request.uri = destination(request.uri);
  info.caller_uri = request.from_uri;
  info.caller = user_of(request.from_uri);
  info.called_uri = request.uri;
  info.called = user_of(request.uri);
  info.variables = request.variables;
  ActiveCall& call = add(info.id, request.session, request.script(info));
  call.record.direction = Direction::outbound;
  call.prefers = like;
  call.may_refer = request.may_refer;
  call.dialled_may_refer = request.dialled_may_refer;
  call.replaces = std::move(replaces);
  call.record.caller = info.caller;
  call.record.called = info.called;
  tell(call, EngineEvent::CallStarted{info});
  step(call, event::Invited{std::move(info)});
}

// ------------------------------------------------------------------------------ one step of a call

void Switchboard::later(ActiveCall& call, Event event) { later_.emplace_back(call.key, std::move(event)); }

void Switchboard::step(ActiveCall& call, const Event& event) {
  const Time now = this->now();
  const bool kept = world_.store != nullptr;
  const std::optional<Event> masked = kept ? call.session.for_log(event) : std::nullopt;
  Commands commands = std::move(commands_);
  commands.clear();
  call.session.step(event, now, commands);
  if (kept) {
    log_.push_back(
        {call.record.id, call.sequence, now,
         log_line(call.sequence, now, masked ? *masked : event, commands, call.session.revealed())});
  }
  ++call.sequence;
  for (const Command& command : commands) carry_out(call, command);
  commands_ = std::move(commands);  // its memory serves the next step
  hide_secrets(call);
  if (call.session.done()) {
    settle(call);
  } else {
    schedule(call);
  }
}

// The tones of a secret's keys are in no recording.
void Switchboard::hide_secrets(ActiveCall& call) {
  const bool hide = call.session.asks_for_secrets();
  if (hide == call.hides_digits || call.legs[0].stream == 0) return;
  call.hides_digits = hide;
  world_.media.hide_digits(call.legs[0].stream, hide);
}

// What is still being rendered is heard by nobody.
void Switchboard::close_stream(ActiveCall& call, LegNumber number) {
  auto& leg = call.legs[static_cast<std::size_t>(number)];
  if (leg.stream == 0 || std::exchange(leg.closing, true)) return;
  if (number == 0) call.rendering.reset();
  world_.media.close(leg.stream);
}

void Switchboard::settle(ActiveCall& call) {
  auto& leg = call.legs[0];
  if (leg.stream != 0 && !leg.closed) {
    close_stream(call, 0);
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

void Switchboard::hear_media() {
  media::Event event;
  while (world_.media.next_event(event)) std::visit([this](const auto& e) { on(e); }, event);
}

void Switchboard::work() {
  hear_media();
  HttpAnswer answer;
  while (http_answers_->pop(answer)) {
    const auto it = requests_.find(answer.request);
    if (it == requests_.end()) continue;
    const auto [key, own] = it->second;
    requests_.erase(it);
    if (ActiveCall* call = find(key)) step(*call, event::HttpReplied{own, std::move(answer.reply)});
  }
  PromptSource::Ready ready;
  while (world_.prompts.next_ready(ready)) {
    ActiveCall* const call = find(ready.ticket);
    if (call == nullptr || !call->rendering || call->rendering->play != ready.play) continue;
    const auto pending = *std::exchange(call->rendering, std::nullopt);
    prompt_ready(*call, pending, std::move(ready.clips));
  }
  const Time now = this->now();
  if (const auto due = acd_.deadline(); due && *due <= now) acd_.tick();
  while (!due_.empty() && due_.begin()->first <= now) {
    const Key key = due_.begin()->second;
    due_.erase(due_.begin());
    ActiveCall* const call = find(key);
    if (call == nullptr) continue;
    call->due.reset();
    if (call->limit && *call->limit <= now) {
      call->limit.reset();
      if (call->session.lingers()) {  // its own limit ends that
        call->limit = now + kRecordingGrace;
        step(*call, event::Tick{});
        continue;
      }
      if (call->legs[0].sip == 0) {
        finish(*call);  // a recording that never ended must not hold the call
        continue;
      }
      const bool rings = call->record.direction == Direction::outbound && !call->legs[0].up;
      step(*call, event::Stop{rings ? "no answer" : "call limit"});
    } else {
      step(*call, event::Tick{});
    }
  }
  while (!later_.empty()) {
    const auto [key, happened] = std::move(later_.front());
    later_.pop_front();
    if (ActiveCall* call = find(key)) step(*call, happened);
  }
  hear_media();  // which tells the media threads, too, that they have been asked for something
  if (world_.store != nullptr) {
    if (router_step_ - router_saved_ >= kSnapshotSteps) save_router();
    keep_promises();
    if (!log_.empty()) world_.store->append(std::exchange(log_, {}));
    std::uint64_t slot = 0;
    while (world_.store->next_stored(slot)) {
      if (slot != kDocumentTicket) {
        world_.journal->close(static_cast<JournalSlot>(slot));
      } else {
        const auto then = std::move(unkept_.front());
        unkept_.pop_front();
        then(absl::OkStatus());
      }
    }
  }
}

std::optional<Time> Switchboard::deadline() const {
  if (!later_.empty()) return now();
  std::optional<Time> next = acd_.deadline();
  if (!due_.empty() && (!next || due_.begin()->first < *next)) next = due_.begin()->first;
  return next;
}

Micros Switchboard::until_next() const {
  constexpr Micros kIdle = 100ms;
  const auto next = deadline();
  return next ? std::clamp(*next - now(), Micros{0}, kIdle) : kIdle;
}

// ----------------------------------------------------------------------------------------- the end

void Switchboard::hang_up(std::string_view id, std::string reason) {
  if (ActiveCall* call = find_call(id)) step(*call, event::Stop{std::move(reason)});
}

void Switchboard::drain() {
  draining_ = true;
  acd_.drain();
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
  if (record.ended == Time{}) record.ended = now();
  record.language = summary.language;
  record.recording = summary.recording;
  record.variables = call.session.script().variables();
  record.path = nlohmann::json(call.path).dump();
  switch (summary.ended_by) {
    case outcome::EndedBy::caller: record.cause = "caller"; break;
    case outcome::EndedBy::script: record.cause = "script"; break;
    case outcome::EndedBy::system: record.cause = summary.reason.empty() ? "system" : summary.reason; break;
  }
  record.status = record.answered == Time{}                                         ? "abandoned"
                  : summary.ended_by == outcome::EndedBy::system && !call.handed_on ? "failed"
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
    if (!leg.closing && !leg.closed) world_.media.close(leg.stream);
    streams_.erase(leg.stream);
  }
  absl::erase_if(requests_, [&](const auto& r) {
    if (r.second.first != call.key) return false;
    world_.http.cancel(r.first);
    return true;
  });
  if (call.due) due_.erase({*call.due, call.key});
  if (call.admitted) admission_.left(call.address);
  acd_.ended(record.id, call.sip_status);
  const auto [begin, until] = supervisors_.equal_range(record.id);
  for (auto each = begin; each != until; ++each) end(each->second, "the call is over");
  supervisors_.erase(begin, until);
  ++counters_.ended;
  EngineEvent last{record.id, now(), EngineEvent::CallEnded{record, call.media}};
  by_id_.erase(record.id);
  calls_.erase(call.key);
  counters_.calls = calls();
  world_.tell(std::move(last));  // whoever hears of it finds it counted
}

void Switchboard::tell(const ActiveCall& call, decltype(EngineEvent::what) what) {
  world_.tell({call.record.id, now(), std::move(what)});
}

}  // namespace ivr
